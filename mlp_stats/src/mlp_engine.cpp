#include "iclk/mlp_stats/mlp_engine.hpp"

#include <cassert>
#include <string>
#include <type_traits>

#include "engine_eigen.hpp"
#include "engine_onednn.hpp"
#include "iclk/core/error.hpp"

namespace iclk::mlp_stats {

std::string_view name(BackendKind kind) noexcept {
  switch (kind) {
    case BackendKind::eigen:
      return "eigen";
    case BackendKind::onednn:
      return "onednn";
    case BackendKind::cuda:
      return "cuda";
  }
  return "";
}

std::string_view name(Precision precision) noexcept {
  switch (precision) {
    case Precision::float32:
      return "float32";
    case Precision::float64:
      return "float64";
    case Precision::tf32:
      return "tf32";
  }
  return "";
}

bool offers(BackendKind kind, Precision precision) noexcept {
  switch (precision) {
    case Precision::float32:
      return true;
    case Precision::float64:
      return kind == BackendKind::eigen;
    case Precision::tf32:
      return kind == BackendKind::cuda;
  }
  return false;
}

std::string_view offered_precisions(BackendKind kind) noexcept {
  switch (kind) {
    case BackendKind::eigen:
      return "float32 or float64 with backend eigen (backend cuda offers tf32)";
    case BackendKind::onednn:
      return "float32 with backend onednn (backend eigen offers float64)";
    case BackendKind::cuda:
      return "float32 or tf32 with backend cuda (backend eigen offers float64)";
  }
  return "";
}

template <class Real>
std::unique_ptr<MlpEngine<Real>> make_mlp_engine(BackendKind kind, MlpShape shape, std::size_t batch,
                                                 std::size_t block) {
  assert(batch >= 1 && (block == 0 || batch % block == 0));
  if (kind == BackendKind::cuda) {
    throw field_error("backend", "cuda trains whole runs, it has no engine for one batch");
  }
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
