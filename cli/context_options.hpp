#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "attention_point.hpp"
#include "iclk/theory/landscape.hpp"
#include "output.hpp"
#include "verb_options.hpp"

namespace iclk::cli {

/// Which loss, and what its contexts are made of: the options that flow and landscape share.
struct ContextOptions {
  std::string model = "binomial";
  std::optional<std::uint64_t> n_context;
  std::optional<double> label_variance;
  std::optional<std::uint64_t> n_items;
  std::string item_labels = "random";
  std::optional<std::uint64_t> item_dim;
};
void declare_context(VerbOptions& options, ContextOptions& context);

/// The model for one N. Throws Error for settings that contradict each other.
theory::ContextModel context_model(const ContextOptions& context, double n_context);

/// "the exact loss (binomial), N = 100", and the settings that differ from the default.
std::string described(const theory::ContextModel& context);
Json context_json(const ContextOptions& context);  ///< the options' values; null where not given

/// c1 and c2 as options give them, for a model: c2 = 1/2 unless given; a full model takes all logits as equal, so that
/// another c2 than 1 - c1 contradicts it. Throws Error then.
struct OrderParameterOptions {
  std::optional<double> c1;
  std::optional<double> c2;
};
void declare_order_parameters(VerbOptions& options, OrderParameterOptions& values);
void check_closure(const std::string& model, double c1, const std::optional<double>& c2);

}  // namespace iclk::cli
