#include "named_arrays.hpp"

#include "iclk/core/error.hpp"

namespace iclk::transformer {

void add_network(std::vector<NamedArray>& arrays, const std::string& prefix, const mlp_stats::MlpParameters& network) {
  arrays.push_back({prefix + "w1", network.w1});
  arrays.push_back({prefix + "b1", network.b1});
  arrays.push_back({prefix + "w2", network.w2});
  arrays.push_back({prefix + "b2", network.b2});
  arrays.push_back({prefix + "w3", network.w3});
  arrays.push_back({prefix + "b3", network.b3});
}

const std::vector<double>& ArrayReader::take(const std::string& name, std::size_t size) {
  if (next_ == arrays_.size() || arrays_[next_].name != name) {
    throw field_error(name, "expected this array of saved parameters, found " +
                                (next_ == arrays_.size() ? "the end" : arrays_[next_].name));
  }
  const std::vector<double>& values = arrays_[next_++].values;
  if (values.size() != size) {
    throw field_error(name,
                      "expected " + std::to_string(size) + " saved parameters, found " + std::to_string(values.size()));
  }
  return values;
}

mlp_stats::MlpParameters ArrayReader::take_network(const std::string& prefix, mlp_stats::MlpShape shape) {
  mlp_stats::MlpParameters network(shape);
  network.w1 = take(prefix + "w1", network.w1.size());
  network.b1 = take(prefix + "b1", network.b1.size());
  network.w2 = take(prefix + "w2", network.w2.size());
  network.b2 = take(prefix + "b2", network.b2.size());
  network.w3 = take(prefix + "w3", network.w3.size());
  network.b3 = take(prefix + "b3", network.b3.size());
  return network;
}

void ArrayReader::finish() const {
  if (next_ != arrays_.size()) {
    throw field_error(arrays_[next_].name, "more saved parameters than this model has");
  }
}

}  // namespace iclk::transformer
