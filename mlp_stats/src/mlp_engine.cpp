#include "iclk/mlp_stats/mlp_engine.hpp"

#include <cassert>
#include <string>
#include <type_traits>

#include "engine_eigen.hpp"
#include "engine_onednn.hpp"
#include "iclk/core/error.hpp"

namespace iclk::mlp_stats {

std::string_view name(BackendKind kind) noexcept { return kind == BackendKind::eigen ? "eigen" : "onednn"; }
std::string_view name(Precision precision) noexcept { return precision == Precision::float32 ? "float32" : "float64"; }

template <class Real>
std::unique_ptr<MlpEngine<Real>> make_mlp_engine(BackendKind kind, MlpShape shape, std::size_t batch,
                                                 std::size_t block) {
  assert(batch >= 1 && (block == 0 || batch % block == 0));
  if (kind == BackendKind::eigen) return make_eigen_engine<Real>(shape, batch);
  if constexpr (std::is_same_v<Real, float>) {
    return make_onednn_engine(shape, batch, block == 0 ? batch : block);
  } else {
    throw field_error("precision", "backend onednn trains in float32 only, got " +
                                       std::string(name(Precision::float64)) + "; use backend eigen for float64");
  }
}

template std::unique_ptr<MlpEngine<float>> make_mlp_engine<float>(BackendKind, MlpShape, std::size_t, std::size_t);
template std::unique_ptr<MlpEngine<double>> make_mlp_engine<double>(BackendKind, MlpShape, std::size_t, std::size_t);

}  // namespace iclk::mlp_stats
