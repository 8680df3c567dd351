#include "iclk/mlp_stats/backend.hpp"

#include "backend_eigen.hpp"
#include "backend_onednn.hpp"
#include "iclk/core/error.hpp"

namespace iclk::mlp_stats {

std::string_view name(BackendKind kind) noexcept { return kind == BackendKind::eigen ? "eigen" : "onednn"; }
std::string_view name(Precision precision) noexcept { return precision == Precision::float32 ? "float32" : "float64"; }

std::unique_ptr<Backend> make_backend(BackendKind kind, Precision precision, const ItemDataset& dataset, MlpShape shape,
                                      std::size_t batch) {
  if (kind == BackendKind::eigen) return make_eigen_backend(precision, dataset, shape, batch);
  if (precision != Precision::float32) {
    throw field_error("precision", "backend onednn trains in float32 only, got " + std::string(name(precision)) +
                                       "; use backend eigen for float64");
  }
  return make_onednn_backend(dataset, shape, batch);
}

}  // namespace iclk::mlp_stats
