#include "model_parts.hpp"

#include <cmath>
#include <string>

#include "arguments.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "iclk/mlp_stats/item_dataset.hpp"

namespace iclk::transformer {
namespace {

void require_width(const char* field, std::size_t value, std::size_t smallest) {
  if (value < smallest || value > mlp_stats::kMaxWidth) {
    throw field_error(field, "expected " + std::to_string(smallest) + " to " + std::to_string(mlp_stats::kMaxWidth) +
                                 ", got " + std::to_string(value));
  }
}

}  // namespace

void validate_sizes(std::size_t n_context, std::size_t dim, std::size_t hidden, std::size_t batch) {
  require_width("n_context", n_context, 2);
  require_width("dim", dim, 1);
  require_width("hidden", hidden, 1);
  require_width("batch", batch, 1);
}

void validate_precision(mlp_stats::BackendKind backend, mlp_stats::Precision precision) {
  if (backend == mlp_stats::BackendKind::cuda) {
    throw field_error("backend", "expected onednn or eigen for this model, got cuda");
  }
  if (backend == mlp_stats::BackendKind::onednn && precision == mlp_stats::Precision::float64) {
    throw field_error("precision", "backend onednn trains in float32 only, got float64; use backend eigen for float64");
  }
  require(offers(backend, precision), "precision", std::string(offered_precisions(backend)),
          std::string(name(precision)));
}

template <class Real>
void initialise_square(mlp_stats::AlignedArray<Real>& matrix, std::size_t width, std::uint64_t seed,
                       std::uint64_t index) {
  Rng rng(seed, RandomPurpose::initial_attention, index);
  const double bound = 1.0 / std::sqrt(static_cast<double>(width));
  for (std::size_t i = 0; i < width * width; ++i) matrix[i] = static_cast<float>(rng.uniform(-bound, bound));
}

template void initialise_square(mlp_stats::AlignedArray<float>&, std::size_t, std::uint64_t, std::uint64_t);
template void initialise_square(mlp_stats::AlignedArray<double>&, std::size_t, std::uint64_t, std::uint64_t);

}  // namespace iclk::transformer
