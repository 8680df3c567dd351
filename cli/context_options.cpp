#include "context_options.hpp"

#include <cmath>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::cli {

void declare_context(VerbOptions& options, ContextOptions& context) {
  options.choice("--model", context.model,
                 {"leading", "gaussian", "gaussian-symmetric", "binomial", "balanced", "balanced-exact"},
                 "the loss: leading (Eq. 6), gaussian (Eq. 5; gaussian-symmetric with a positive measure), binomial "
                 "(Eq. 21, exact), balanced (Eq. 9) and balanced-exact for contexts with equally many labels of each "
                 "kind");
  options.count("--context", context.n_context, kContextRule,
                "N, labelled exemplars in a context (required unless the table has it)");
  options.number("--label-variance", context.label_variance, number_from(0.0, 1.0),
                 "variance of the sum of the labels over N: the share of contexts with random labels, the others being "
                 "balanced (1 unless given)");
  options.count("--items", context.n_items, kItemsRule,
                "K, to count the extra copies of the target in finite data; not counted unless given");
  options.choice("--item-labels", context.item_labels, {"random", "balanced"},
                 "labels of the K items: by fair coins, or exactly half of each, which is also what random ones amount "
                 "to once the MLP has learned their imbalance; for the full models, with --items");
  options.count("--dim", context.item_dim, {.low = 1, .high = 1'000'000},
                "dimension D of Gaussian items, to count their overlap; orthonormal unless given");
}

theory::ContextModel context_model(const ContextOptions& context, double n_context) {
  theory::ContextModel model{.model = *theory::loss_model(context.model), .n_context = n_context};
  if (context.label_variance) {
    if (model.model == theory::LossModel::balanced || model.model == theory::LossModel::balanced_exact) {
      throw field_error("--label-variance",
                        "does not apply to the model " + context.model + ", whose contexts are all balanced");
    }
    model.label_variance = *context.label_variance;
  }
  if (context.n_items) model.n_items = static_cast<double>(*context.n_items);
  if (context.item_labels == "balanced") {
    if (!context.n_items) throw field_error("--item-labels", "balanced needs --items");
    if (!theory::is_full(model.model)) {
      throw field_error("--item-labels", "balanced does not apply to the model " + context.model);
    }
    model.balanced_items = true;
  }
  if (context.item_dim) model.item_dim = static_cast<double>(*context.item_dim);
  return model;
}

std::string described(const theory::ContextModel& context) {
  std::string text = "loss " + std::string(theory::name(context.model)) + ", N = " + format_number(context.n_context);
  if (context.label_variance < 1.0) text += ", label variance " + human(context.label_variance) + " N";
  if (context.n_items)
    text += ", extra copies of K = " + format_number(*context.n_items) +
            (context.balanced_items ? " items with balanced labels" : " items");
  if (context.item_dim) text += ", items of dimension " + format_number(*context.item_dim);
  return text;
}

Json context_json(const ContextOptions& context) {
  return {{"model", context.model},
          {"context", json_count(context.n_context)},
          {"label_variance", json_number(context.label_variance)},
          {"items", json_count(context.n_items)},
          {"item_labels", context.item_labels},
          {"dim", json_count(context.item_dim)}};
}

void declare_order_parameters(VerbOptions& options, OrderParameterOptions& values) {
  const NumberRule share{
      .low = 0.0, .high = std::nextafter(1.0, 0.0), .low_excluded = true, .words = "a number in (0, 1)"};
  options.number("--c1", values.c1, share, "order parameter c1 of an MLP that does not change (1/2 unless given)");
  options.number("--c2", values.c2, number_from(0.0, 1.0),
                 "its c2, for the models leading and balanced (1/2 unless given); the others take all logits as equal, "
                 "which makes c2 = 1 - c1");
}

void check_closure(const std::string& model, double c1, const std::optional<double>& c2) {
  if (!c2 || !theory::is_full(*theory::loss_model(model))) return;
  if (std::abs(*c2 - (1.0 - c1)) <= 1e-12) return;
  throw field_error("--c2", "the model " + model + " takes all logits as equal, which makes c2 = 1 - c1 = " +
                                format_number(1.0 - c1) + "; give the logits (--logits), or --model leading");
}

}  // namespace iclk::cli
