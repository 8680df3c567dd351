#pragma once

#include "iclk/mlp_stats/mlp_engine.hpp"

namespace iclk::mlp_stats {

template <class Real>
std::unique_ptr<MlpEngine<Real>> make_eigen_engine(MlpShape shape, std::size_t batch);

extern template std::unique_ptr<MlpEngine<float>> make_eigen_engine<float>(MlpShape, std::size_t);
extern template std::unique_ptr<MlpEngine<double>> make_eigen_engine<double>(MlpShape, std::size_t);

}  // namespace iclk::mlp_stats
