// Stands in for the folder cuda where the build leaves it out.

#include "iclk/core/error.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "model_batch.hpp"

namespace iclk::transformer {

std::unique_ptr<ModelBatch> make_cuda_batch(const ModelBatchOptions&) {
  throw field_error("backend", *mlp_stats::cuda_problem());
}

}  // namespace iclk::transformer
