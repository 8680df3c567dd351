#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "attention_point.hpp"
#include "iclk/core/error.hpp"
#include "iclk/figures/draw_figure.hpp"
#include "output.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

struct FigureInput {
  std::string id;
  std::optional<std::string> data, out;
  std::uint64_t n_context = 100;
  double beta0 = 0.0;
  double w0 = 0.0;
  double beta0_sd = 0.3;
  double w0_sd = 0.0;
  std::optional<double> lr;
  std::optional<std::uint64_t> n_items;
  Destinations destinations;
};

Answer list_of_figures() {
  PrintedTable table({"id", "paper", "title", "needs"}, "l");
  CsvText csv({"id", "paper", "title", "needs", "command"});
  Json list = Json::array();
  std::vector<std::pair<std::string_view, std::string>> commands;  // and the figures whose data they make
  for (const figures::FigureInfo& info : figures::figures()) {
    table.add_row(
        {std::string(info.id), std::string(info.paper_label), std::string(info.title), std::string(info.needs)});
    csv.cell(info.id).cell(info.paper_label).cell(info.title).cell(info.needs).cell(info.command).end_row();
    list.push_back({{"id", info.id},
                    {"paper", info.paper_label},
                    {"title", info.title},
                    {"needs", info.needs},
                    {"command", info.command.empty() ? Json() : Json(info.command)}});
    if (info.command.empty()) continue;
    const auto known =
        std::find_if(commands.begin(), commands.end(), [&](const auto& c) { return c.first == info.command; });
    if (known == commands.end())
      commands.emplace_back(info.command, info.id);
    else
      known->second += ", " + std::string(info.id);
  }
  std::string text = table.str() + "what makes the data, in the folder DIR:\n";
  for (const auto& [command, ids] : commands) text += "  " + ids + ":\n    " + std::string(command) + '\n';
  Json json = json_head("iclk-figure 1");
  json["figures"] = std::move(list);
  return {std::move(text), std::move(json), std::move(csv).take()};
}

Answer drawn_answer(const FigureInput& input, const figures::DrawnFigure& drawn) {
  std::vector<std::filesystem::path> files{drawn.svg, drawn.pdf};
  files.insert(files.end(), drawn.tables.begin(), drawn.tables.end());
  files.push_back(drawn.caption);
  files.push_back(drawn.script);
  Answer answer{{}, json_head("iclk-figure 1"), {}};
  CsvText csv({"file"});
  Json list = Json::array();
  for (const std::filesystem::path& file : files) {
    answer.text += "  " + file.string() + '\n';
    csv.cell(std::string_view(file.string())).end_row();
    list.push_back(file.string());
  }
  answer.json["figure"] = figures::find_figure(input.id).id;
  answer.json["data"] = input.data ? Json(*input.data) : Json();
  answer.json.update({{"context", input.n_context},
                      {"beta0", input.beta0},
                      {"w0", input.w0},
                      {"beta0_sd", input.beta0_sd},
                      {"w0_sd", input.w0_sd}});
  answer.json["files"] = std::move(list);
  answer.csv = std::move(csv).take();
  return answer;
}

}  // namespace

Action declare_figure(VerbOptions& options) {
  const auto input = std::make_shared<FigureInput>();
  options.explain(
      "one figure of the paper with theory over data",
      "Draws a figure of the paper from result files, or from theory alone where it needs none, as ID.svg and ID.pdf, "
      "with every plotted number in ID.csv "
      "(further tables beside it), a caption and the gnuplot script that draws it again. `iclk figure list` "
      "lists the figures and what they need. Needs gnuplot.");
  options.argument("ID", input->id, "figure, e.g. fig5 or A.3; list for the list");
  options.text("--data", input->data, "DIR",
               "folder with the results, e.g. the --out of iclk train (required where a figure needs them)");
  options.text("--out", input->out, "DIR", "folder for the figure, made if it does not exist (required)");
  options.count("--context", input->n_context, kContextRule, "N, labelled exemplars in a context");
  options.number("--beta0", input->beta0, start_rule(), "start value of beta; its mean where seeds differ");
  options.number("--w0", input->w0, start_rule(), "start value of w; its mean where seeds differ");
  options.number("--beta0-sd", input->beta0_sd, number_from(0.0, kLargestStart),
                 "spread of beta0 over seeds, in fig6c, figA1b and phase");
  options.number("--w0-sd", input->w0_sd, number_from(0.0, kLargestStart),
                 "spread of w0 over seeds, in the same figures");
  options.number("--lr", input->lr, positive_number(),
                 "learning rate of curves that count SGD steps and do not say it");
  options.count("--items", input->n_items, kItemsRule,
                "K of curve files that do not say it, neither in a column nor in their name (K500.csv)");
  declare_destinations(options, input->destinations);
  options.example("iclk figure fig5 --data runs --out figures", "the memorization law from your own curves");
  options.example("iclk figure figA1b --beta0-sd 0.5 --out figures", "theory alone");
  return [input] {
    if (input->id.empty()) throw field_error("ID", "expected a figure; iclk figure list lists them");
    check_destinations(input->destinations, {});
    if (input->id == "list") {
      write_answer(input->destinations, list_of_figures());
      return Exit::answered;
    }
    const figures::FigureInfo& info = figures::find_figure(input->id);
    if (!input->data && info.data == figures::DataUse::required) {
      throw field_error("--data", "is required: the folder with the results");
    }
    if (!input->out) throw field_error("--out", "is required: the folder for the figure");
    const figures::FigureOptions figure{.n_context = static_cast<double>(input->n_context),
                                        .beta0 = input->beta0,
                                        .w0 = input->w0,
                                        .beta0_sd = input->beta0_sd,
                                        .w0_sd = input->w0_sd,
                                        .foreign = {.lr = input->lr, .n_items = input->n_items}};
    write_answer(input->destinations,
                 drawn_answer(*input, figures::draw_figure(input->id, input->data.value_or(""), *input->out, figure)));
    return Exit::answered;
  };
}

}  // namespace iclk::cli
