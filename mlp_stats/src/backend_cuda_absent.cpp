// Stands in for the folder cuda where the build leaves it out.

#include "iclk/core/error.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "mlp_batch.hpp"

namespace iclk::mlp_stats {

std::optional<std::string> cuda_problem() {
  return "cuda is not in this build; configure with --preset cuda where the CUDA toolkit is (docs/building.md)";
}

std::string cuda_description() { return *cuda_problem(); }

std::unique_ptr<MlpBatch> make_cuda_batch(const MlpBatchOptions&) { throw field_error("backend", *cuda_problem()); }

}  // namespace iclk::mlp_stats
