#pragma once

#include "iclk/mlp_stats/backend.hpp"

namespace iclk::mlp_stats {

std::unique_ptr<Backend> make_onednn_backend(const ItemDataset& dataset, MlpShape shape, std::size_t batch);

}  // namespace iclk::mlp_stats
