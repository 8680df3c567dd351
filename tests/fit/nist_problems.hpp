#pragma once

// The nonlinear regression problems of NIST's Statistical Reference Datasets: files in tests/data/nist, models here.
// The derivatives of the models are Boost.Math's automatic ones.

#include <algorithm>
#include <boost/math/differentiation/autodiff.hpp>
#include <cmath>
#include <fstream>
#include <functional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/csv_table.hpp"

namespace iclk::test {

struct NistProblem {
  std::string name;
  std::vector<std::vector<double>> starts;  // [2][p]
  std::vector<double> parameters;           // [p] certified
  std::vector<double> errors;               // [p] certified standard deviations
  double residual_sum = 0.0, residual_sd = 0.0;
  std::vector<double> y;               // [n]
  std::vector<std::vector<double>> x;  // [n][1 or 2]
};

/// Reads tests/data/nist/<name>.dat.
inline NistProblem read_nist(const std::string& name) {
  NistProblem problem;
  problem.name = name;
  std::ifstream file(data_path("nist/" + name + ".dat"));
  if (!file) throw std::runtime_error("no file nist/" + name + ".dat");
  constexpr int kFirstParameter = 41, kFirstRow = 61;  // the same lines in every file
  problem.starts.resize(2);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::replace(line.begin(), line.end(), '\r', ' ');
    std::string label, equals;
    std::istringstream words(line);
    const auto colon = line.find(':');
    if (number >= kFirstParameter && line.find(" =") != std::string::npos) {
      double first = 0, second = 0, value = 0, error = 0;
      words >> label >> equals >> first >> second >> value >> error;
      if (!words) throw std::runtime_error(name + ": parameter in line " + std::to_string(number));
      problem.starts[0].push_back(first);
      problem.starts[1].push_back(second);
      problem.parameters.push_back(value);
      problem.errors.push_back(error);
    } else if (line.rfind("Residual Sum of Squares", 0) == 0) {
      problem.residual_sum = std::stod(line.substr(colon + 1));
    } else if (line.rfind("Residual Standard Deviation", 0) == 0) {
      problem.residual_sd = std::stod(line.substr(colon + 1));
    } else if (number >= kFirstRow) {
      double y = 0, x = 0;
      if (!(words >> y)) continue;
      problem.y.push_back(y);
      problem.x.emplace_back();
      while (words >> x) problem.x.back().push_back(x);
    }
  }
  if (problem.parameters.empty() || problem.y.empty()) throw std::runtime_error(name + ": nothing read");
  return problem;
}

/// Values and derivatives of one model for all rows of a problem.
struct NistModel {
  std::string name;
  std::function<double(std::span<const double> b, std::span<const double> x)> value;
  std::function<double(std::span<const double> b, std::span<const double> x, std::size_t j)> derivative;
};

/// `f(b, x)` with b any array of real numbers.
template <class Function>
NistModel nist_model(std::string name, Function f) {
  return {.name = std::move(name),
          .value = [f](std::span<const double> b, std::span<const double> x) { return f(b, x); },
          .derivative =
              [f](std::span<const double> b, std::span<const double> x, std::size_t j) {
                using boost::math::differentiation::make_fvar;
                std::vector<boost::math::differentiation::autodiff_fvar<double, 1>> variables;
                for (const double each : b) variables.emplace_back(each);
                variables[j] = make_fvar<double, 1>(b[j]);
                return f(variables, x).derivative(1);
              }};
}

inline constexpr double kPi = 3.141592653589793238462643383279;

inline std::vector<NistModel> nist_models() {
  const auto lanczos = [](const auto& b, auto x) {
    return b[0] * exp(-b[1] * x[0]) + b[2] * exp(-b[3] * x[0]) + b[4] * exp(-b[5] * x[0]);
  };
  const auto gauss = [](const auto& b, auto x) {
    const auto u = (x[0] - b[3]) / b[4];
    const auto v = (x[0] - b[6]) / b[7];
    return b[0] * exp(-b[1] * x[0]) + b[2] * exp(-u * u) + b[5] * exp(-v * v);
  };
  const auto cubic_ratio = [](const auto& b, auto x) {
    return (b[0] + x[0] * (b[1] + x[0] * (b[2] + x[0] * b[3]))) / (1.0 + x[0] * (b[4] + x[0] * (b[5] + x[0] * b[6])));
  };
  const auto chwirut = [](const auto& b, auto x) { return exp(-b[0] * x[0]) / (b[1] + b[2] * x[0]); };
  const auto saturation = [](const auto& b, auto x) { return b[0] * (1.0 - exp(-b[1] * x[0])); };
  return {
      nist_model("Misra1a", saturation),
      nist_model("Misra1b", [](const auto& b, auto x) { return b[0] * (1.0 - pow(1.0 + b[1] * x[0] / 2.0, -2.0)); }),
      nist_model("Misra1c", [](const auto& b, auto x) { return b[0] * (1.0 - pow(1.0 + 2.0 * b[1] * x[0], -0.5)); }),
      nist_model("Misra1d", [](const auto& b, auto x) { return b[0] * b[1] * x[0] / (1.0 + b[1] * x[0]); }),
      nist_model("Chwirut1", chwirut),
      nist_model("Chwirut2", chwirut),
      nist_model("Lanczos1", lanczos),
      nist_model("Lanczos2", lanczos),
      nist_model("Lanczos3", lanczos),
      nist_model("Gauss1", gauss),
      nist_model("Gauss2", gauss),
      nist_model("Gauss3", gauss),
      nist_model("DanWood", [](const auto& b, auto x) { return b[0] * pow(x[0], b[1]); }),
      nist_model("Kirby2",
                 [](const auto& b, auto x) {
                   return (b[0] + x[0] * (b[1] + x[0] * b[2])) / (1.0 + x[0] * (b[3] + x[0] * b[4]));
                 }),
      nist_model("Hahn1", cubic_ratio),
      nist_model("Nelson", [](const auto& b, auto x) { return b[0] - b[1] * x[0] * exp(-b[2] * x[1]); }),
      nist_model("MGH17",
                 [](const auto& b, auto x) { return b[0] + b[1] * exp(-b[3] * x[0]) + b[2] * exp(-b[4] * x[0]); }),
      nist_model("Roszman1",
                 [](const auto& b, auto x) { return b[0] - b[1] * x[0] - atan(b[2] / (x[0] - b[3])) / kPi; }),
      nist_model("ENSO",
                 [](const auto& b, auto x) {
                   const double year = 2 * kPi * x[0] / 12;
                   const auto u = 2 * kPi * x[0] / b[3];
                   const auto v = 2 * kPi * x[0] / b[6];
                   return b[0] + b[1] * std::cos(year) + b[2] * std::sin(year) + b[4] * cos(u) + b[5] * sin(u) +
                          b[7] * cos(v) + b[8] * sin(v);
                 }),
      nist_model("MGH09",
                 [](const auto& b, auto x) {
                   return b[0] * (x[0] * x[0] + x[0] * b[1]) / (x[0] * x[0] + x[0] * b[2] + b[3]);
                 }),
      nist_model("Thurber", cubic_ratio),
      nist_model("BoxBOD", saturation),
      nist_model("Rat42", [](const auto& b, auto x) { return b[0] / (1.0 + exp(b[1] - b[2] * x[0])); }),
      nist_model("Rat43", [](const auto& b, auto x) { return b[0] / pow(1.0 + exp(b[1] - b[2] * x[0]), 1.0 / b[3]); }),
      nist_model("MGH10", [](const auto& b, auto x) { return b[0] * exp(b[1] / (x[0] + b[2])); }),
      nist_model("Eckerle4",
                 [](const auto& b, auto x) {
                   const auto u = (x[0] - b[2]) / b[1];
                   return b[0] / b[1] * exp(-0.5 * u * u);
                 }),
      nist_model("Bennett5", [](const auto& b, auto x) { return b[0] * pow(b[1] + x[0], -1.0 / b[2]); }),
  };
}

}  // namespace iclk::test
