#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "iclk/core/run_info.hpp"

namespace iclk::test {

/// One row of a table as `iclk sweep collect --csv` writes it, with the columns that the claims read.
struct RunRow {
  std::string model = "minimal";
  std::optional<double> n_items = {};  ///< empty: infinite
  double context = 50;
  std::string labels = "random";
  int hidden = 512;
  double beta0_sd = 0.0;
  double lambda_w = 0.0;
  int seed = 0;
  bool acquired = true;
  double time = 100.0;
  std::optional<double> t_attention_half = {}, t_accuracy_fade = {}, t_fade = {}, icl_accuracy = {}, iwl_accuracy = {};
  std::optional<double> attention_acquired = {};  ///< 0 or 1
};

inline std::string run_table(const std::vector<RunRow>& rows) {
  std::string text =
      "run,model,items,context,count_target,attend_self,labels,hidden,dim,batch,lr,weight_decay,beta0,beta0_sd,w0,w0_"
      "sd,"
      "lambda_w,seed,outcome,acquired,time,t_attention_half,t_accuracy_fade,t_fade,icl_accuracy,iwl_accuracy,attention_"
      "acquired\n";
  std::size_t index = 0;
  const auto maybe = [](const std::optional<double>& value) { return value ? format_number(*value) : std::string(); };
  for (const RunRow& row : rows) {
    std::string identity = std::to_string(++index);
    identity.insert(0, 16 - identity.size(), '0');
    text += identity + "," + row.model + "," + (row.n_items ? format_number(*row.n_items) : "inf") + "," +
            format_number(row.context) + ",no,no," + row.labels + "," + std::to_string(row.hidden) +
            ",63,128,0.01,1e-10,0," + format_number(row.beta0_sd) + ",0,0," + format_number(row.lambda_w) + "," +
            std::to_string(row.seed) + ",reached_iterations," + (row.acquired ? "1," : "0,") + format_number(row.time) +
            "," + maybe(row.t_attention_half) + "," + maybe(row.t_accuracy_fade) + "," + maybe(row.t_fade) + "," +
            maybe(row.icl_accuracy) + "," + maybe(row.iwl_accuracy) + "," + maybe(row.attention_acquired) + "\n";
  }
  return text;
}

/// A simulation file of the minimal model: settings, results, then `rows` of
/// time,icl_accuracy,icl_loss,iwl_loss,c1,c3,w.
inline std::string simulation_file(const std::string& identity, double n_items, double lambda_w, double t_icl,
                                   const std::string& results, const std::string& rows) {
  return "# iclk-simulation 1\n# program: iclk 0.1.0\n# run: " + identity +
         "\n# model: minimal\n# items: " + format_number(n_items) +
         "\n# context: 20\n# count_target: no\n# attend_self: no\n# labels: random\n# dim: 63\n# hidden: 512\n# batch: "
         "128\n# lr: 0.01\n# weight_decay: 1e-10\n# lambda_w: " +
         format_number(lambda_w) +
         "\n# lambda_beta: 0\n# beta0: 0\n# beta0_sd: 0\n# w0: 0\n# w0_sd: 0\n# seed: 0\n# outcome: "
         "reached_iterations\n# t_icl: " +
         format_number(t_icl) + "\n" + results +
         "# end_iteration: 100000\n# end_icl_accuracy: 0.99\niteration,time,icl_accuracy,icl_loss,iwl_loss,c1,c3,w\n" +
         rows;
}

}  // namespace iclk::test
