#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "attention_point.hpp"
#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/npy_file.hpp"
#include "iclk/core/order_parameters.hpp"
#include "iclk/core/run_info.hpp"
#include "output.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

struct MeasureInput {
  std::optional<std::string> logits, labels, iterations, out;
  std::optional<double> lr;
  std::uint64_t seed = 0;
  Destinations destinations;
};

Error file_error(const std::string& file, const std::string& field, const std::string& problem) {
  return {Location{file, {}, field}, problem};
}

/// "[40, 500]", as NumPy shows a shape or an index.
template <typename Numbers>
std::string bracketed(const Numbers& numbers) {
  std::string text;
  for (const std::size_t n : numbers) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return '[' + text + ']';
}

std::string at(std::size_t row) { return bracketed(std::array{row}); }
std::string at(std::size_t row, std::size_t column) { return bracketed(std::array{row, column}); }

/// A list: one axis, or further axes of length one as networks with one output write them.
NpyArray read_list(const std::string& file, const std::string& what) {
  NpyArray array = read_npy(file);
  if (array.shape.empty() || array.values.size() != array.shape.front()) {
    throw file_error(file, "", "expected " + what + ", got shape " + bracketed(array.shape));
  }
  return array;
}

/// Labels as +1 and -1, whichever way the file writes its two classes. [items]
std::vector<double> read_labels(const std::string& file, std::vector<std::string>& warnings) {
  std::vector<double> labels = read_list(file, "labels of shape [items]").values;
  const bool has_minus = std::any_of(labels.begin(), labels.end(), [](double y) { return y < 0.0; });
  const double lower = has_minus ? -1.0 : 0.0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool is_upper = std::abs(labels[i] - 1.0) <= 0.0;
    if (!is_upper && !(std::abs(labels[i] - lower) <= 0.0)) {
      throw file_error(
          file, at(i),
          "expected labels in {-1, 1} or {0, 1}, got " + format_number(labels[i]) + (has_minus ? " beside -1" : ""));
    }
    labels[i] = is_upper ? 1.0 : -1.0;
  }
  const auto [least, most] = std::minmax_element(labels.begin(), labels.end());
  if (labels.empty() || !(*least < *most)) warnings.push_back("all labels are of one class in " + file);
  return labels;
}

std::vector<std::uint64_t> read_iterations(const std::string& file, std::size_t n_steps) {
  const std::vector<double> values = read_list(file, "SGD steps of shape [steps]").values;
  if (values.size() != n_steps) {
    throw file_error(file, "",
                     "expected " + std::to_string(n_steps) + " SGD steps, one per row of --logits, got " +
                         std::to_string(values.size()));
  }
  std::vector<std::uint64_t> iterations;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] >= 0.0) || std::floor(values[i]) < values[i] ||
        values[i] > static_cast<double>(kLargestExactInteger)) {
      throw file_error(file, at(i), "expected a whole number of SGD steps, got " + format_number(values[i]));
    }
    if (i > 0 && !(values[i] > values[i - 1])) {
      throw file_error(
          file, at(i),
          "expected more than " + format_number(values[i - 1]) + " of the row before, got " + format_number(values[i]));
    }
    iterations.push_back(static_cast<std::uint64_t>(values[i]));
  }
  return iterations;
}

/// Order parameters of every row of the logits, a few rows in memory at a time.
class LogitFile {
 public:
  LogitFile(const std::string& file, std::size_t n_items) : file_(file), reader_(file) {
    const std::vector<std::size_t>& shape = reader_.shape();
    if (shape.size() < 2 || reader_.row_size() != shape[1]) {
      throw file_error(file, "", "expected logits of shape [steps, items], got shape " + bracketed(shape));
    }
    if (shape[1] != n_items) {
      throw file_error(file, "",
                       "expected " + std::to_string(n_items) + " items as in --labels, got shape " + bracketed(shape));
    }
    if (n_items < kItemsRule.low || n_items > kItemsRule.high) {
      throw file_error(file, "", "expected " + words(kItemsRule) + " of items, got " + std::to_string(n_items));
    }
    if (shape[0] < 2)
      throw file_error(file, "", "expected at least two rows (SGD steps), got shape " + bracketed(shape));
  }

  std::size_t n_steps() const noexcept { return reader_.n_rows(); }

  std::vector<OrderParameters> measure(const std::vector<double>& labels) const {
    constexpr std::size_t kNumbersAtOnce = std::size_t{1} << 21;  // 16 MB: large reads, small memory
    const std::size_t rows_at_once = std::max<std::size_t>(1, kNumbersAtOnce / reader_.row_size());
    std::vector<OrderParameters> result;
    for (std::size_t first = 0; first < n_steps(); first += rows_at_once) {
      const std::size_t count = std::min(rows_at_once, n_steps() - first);
      std::vector<double> logits = reader_.read_rows(first, count);  // [count x items]
      for (std::size_t row = 0; row < count; ++row) {
        const std::span<double> signed_logits = std::span(logits).subspan(row * labels.size(), labels.size());
        for (std::size_t i = 0; i < labels.size(); ++i) {
          if (!std::isfinite(signed_logits[i])) {
            throw file_error(file_, at(first + row, i),
                             "expected a finite logit, got " + format_number(signed_logits[i]));
          }
          signed_logits[i] *= labels[i];
        }
        result.push_back(order_parameters(signed_logits));
        check_range(first + row, result.back());
      }
    }
    return result;
  }

 private:
  /// A curve file holds numbers; c1 = 0 or c3 = infinity is not one.
  void check_range(std::size_t row, const OrderParameters& values) const {
    if (values.c1 > 0.0 && values.c1 < 1.0 && values.c2 > 0.0 && values.c3 > 0.0 && std::isfinite(values.c3)) return;
    throw file_error(file_, at(row),
                     "the logits are too large: c1 = " + format_number(values.c1) + ", c3 = " +
                         format_number(values.c3) + " leave the range of floating-point numbers; end the curve before");
  }

  std::string file_;
  NpyReader reader_;
};

Answer answer_of(const MeasureInput& input, std::size_t n_items, const std::vector<CurveSample>& samples,
                 const std::vector<std::string>& warnings) {
  CsvText csv({"iteration", "time", "c1", "c2", "c3", "loss", "accuracy"});
  PrintedTable table({"", "SGD step", "time", "c1", "c2", "c3", "loss", "accuracy"}, "lr");
  for (const CurveSample& sample : samples) {
    const OrderParameters& values = sample.values;
    csv.count(sample.iteration).cell(sample.time).cell(values.c1).cell(values.c2).cell(values.c3);
    csv.cell(values.loss).cell(values.accuracy).end_row();
  }
  const auto add = [&](const char* label, const CurveSample& sample) {
    const OrderParameters& values = sample.values;
    table.add_row({label, std::to_string(sample.iteration), human(sample.time), human(values.c1), human(values.c2),
                   human(values.c3), human(values.loss), human(values.accuracy)});
  };
  add("first", samples.front());
  add("last", samples.back());
  std::string text = *input.out + ": " + std::to_string(samples.size()) +
                     " SGD steps of a network with K = " + std::to_string(n_items) + " items\n\n" + table.str();
  for (const std::string& warning : warnings) text += "warning: " + warning + '\n';
  const auto sample_json = [](const CurveSample& sample) {
    return Json{{"iteration", sample.iteration},
                {"time", json_number(sample.time)},
                {"c1", json_number(sample.values.c1)},
                {"c2", json_number(sample.values.c2)},
                {"c3", json_number(sample.values.c3)},
                {"loss", json_number(sample.values.loss)},
                {"accuracy", json_number(sample.values.accuracy)}};
  };
  return {text,
          {{"schema", "iclk-measurement 1"},
           {"program", "iclk " + std::string(version())},
           {"out", *input.out},
           {"logits", *input.logits},
           {"labels", *input.labels},
           {"iterations", *input.iterations},
           {"lr", *input.lr},
           {"seed", input.seed},
           {"n_items", n_items},
           {"n_steps", samples.size()},
           {"first", sample_json(samples.front())},
           {"last", sample_json(samples.back())},
           {"warnings", warnings}},
          std::move(csv).take()};
}

Exit measure(const MeasureInput& input) {
  const auto need = [](const char* option, bool is_there, const char* what) {
    if (!is_there) throw field_error(option, std::string("is required: ") + what);
  };
  need("--logits", input.logits.has_value(), "logits of the network, .npy of shape [steps, items]");
  need("--labels", input.labels.has_value(), "labels of the items, .npy of shape [items]");
  need("--iterations", input.iterations.has_value(), "SGD step of each row of the logits, .npy of shape [steps]");
  need("--lr", input.lr.has_value(), "the learning rate; time = lr x SGD step");
  need("--out", input.out.has_value(), "the curve file to write");
  const std::vector<std::string> inputs{*input.logits, *input.labels, *input.iterations};
  if (*input.out == "-") throw field_error("--out", "expected a file, got \"-\"; --csv - prints the curve");
  check_destination("--out", *input.out, inputs);
  check_destinations(input.destinations, inputs);

  std::vector<std::string> warnings;
  const std::vector<double> labels = read_labels(*input.labels, warnings);
  const LogitFile logits(*input.logits, labels.size());
  const std::vector<std::uint64_t> iterations = read_iterations(*input.iterations, logits.n_steps());
  const std::vector<OrderParameters> values = logits.measure(labels);
  std::vector<CurveSample> samples;
  for (std::size_t i = 0; i < values.size(); ++i) {
    samples.push_back({iterations[i], *input.lr * static_cast<double>(iterations[i]), values[i]});
  }
  RunInfo info;
  info.add("program", "iclk " + std::string(version()));
  info.add("n_items", std::to_string(labels.size()));
  info.add("seed", std::to_string(input.seed));
  info.add("lr", *input.lr);
  info.add("logits", *input.logits);
  info.add("labels", *input.labels);
  info.add("iterations", *input.iterations);
  write_curves(*input.out, info, samples);
  write_answer(input.destinations, answer_of(input, labels.size(), samples, warnings));
  return Exit::answered;
}

}  // namespace

Action declare_measure(VerbOptions& options) {
  const auto input = std::make_shared<MeasureInput>();
  options.explain(
      "c1, c2, c3 from logits of your own network",
      "Turns the logits of a network of any framework, saved as NumPy arrays while it memorized K items, into a "
      "memorization curve for iclk predict: c1, c2, c3, loss and accuracy at each saved SGD step, exact averages "
      "over the items. Arrays may be larger than the memory.");
  options.text("--logits", input->logits, "FILE",
               "logits, .npy of shape [steps, items]; positive means class 1 (required)");
  options.text("--labels", input->labels, "FILE", "labels in {-1, 1} or {0, 1}, .npy of shape [items] (required)");
  options.text("--iterations", input->iterations, "FILE",
               "SGD step of each row, rising, .npy of shape [steps] (required)");
  options.number("--lr", input->lr, positive_number(), "learning rate; time = lr x SGD step (required)");
  options.count("--seed", input->seed, {}, "recorded in the curve file, to tell repeated runs apart");
  options.text("--out", input->out, "FILE", "curve file to write (required)");
  declare_destinations(options, input->destinations);
  options.example(
      "iclk measure --logits logits.npy --labels labels.npy --iterations steps.npy --lr 0.01 --out k500_s0.curves.csv",
      "after numpy.save in the training script");
  return [input] { return measure(*input); };
}

}  // namespace iclk::cli
