#pragma once

#include <span>
#include <string>
#include <vector>

#include "iclk/mlp_stats/mlp.hpp"
#include "iclk/transformer/icl_model.hpp"

namespace iclk::transformer {

/// Appends the arrays of a network, named `prefix`w1, `prefix`b1 and so on.
void add_network(std::vector<NamedArray>& arrays, const std::string& prefix, const mlp_stats::MlpParameters& network);

/// Takes arrays one by one in the order in which they were written.
/// Throws   Error naming the first array that is missing, has another size or is left over.
class ArrayReader {
 public:
  explicit ArrayReader(std::span<const NamedArray> arrays) : arrays_(arrays) {}

  const std::vector<double>& take(const std::string& name, std::size_t size);
  mlp_stats::MlpParameters take_network(const std::string& prefix, mlp_stats::MlpShape shape);
  void finish() const;

 private:
  std::span<const NamedArray> arrays_;
  std::size_t next_ = 0;
};

}  // namespace iclk::transformer
