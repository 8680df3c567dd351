#pragma once

#include "iclk/mlp_stats/mlp_engine.hpp"

namespace iclk::mlp_stats {

std::unique_ptr<MlpEngine<float>> make_onednn_engine(MlpShape shape, std::size_t batch, std::size_t block);

}  // namespace iclk::mlp_stats
