#include "golden_logits.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "support/csv_table.hpp"

namespace iclk::test {

theory::LogitList logit_list(const std::string& name) {
  static const nlohmann::json lists = [] {
    std::ifstream file(data_path("logit_lists.json"));
    return nlohmann::json::parse(file);
  }();
  theory::LogitList result;
  result.signed_logits = lists.at(name).at("phi").get<std::vector<double>>();
  if (!lists.at(name).at("weights").is_null()) result.weights = lists.at(name).at("weights").get<std::vector<double>>();
  return result;
}

}  // namespace iclk::test
