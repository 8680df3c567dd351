#include "golden_curves.hpp"

#include <boost/math/special_functions/gamma.hpp>
#include <fstream>
#include <stdexcept>

#include "support/csv_table.hpp"

namespace iclk::test {

GoldenCurves golden_curves(const std::string& name) {
  const Table table = read_table("curves_" + name + ".csv");
  struct Columns {
    std::vector<double> t, c1, c2;
  };
  std::map<double, Columns> columns;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    Columns& k = columns[table.number(i, "K")];
    k.t.push_back(table.number(i, "t"));
    k.c1.push_back(table.number(i, "c1"));
    k.c2.push_back(table.number(i, "c2"));
  }
  GoldenCurves result;
  for (const auto& [n_items, k] : columns) {
    result.by_items.emplace(n_items, OrderParameterCurves{Curve(k.t, k.c1), Curve(k.t, k.c2), {}, false});
  }
  std::ifstream file(data_path("curves_" + name + "_expected.json"));
  result.expected = nlohmann::json::parse(file);
  return result;
}

OrderParameterCurves pytorch_curves(const std::string& file, double lr) {
  const Table table = read_table("pytorch/" + file);
  std::vector<double> t = table.numbers("step");
  for (double& time : t) time *= lr;
  return {Curve(t, table.numbers("c1")), Curve(t, table.numbers("c2")), {}, false};
}

Family power_family(double p, double horizon) {
  return {"P", horizon, [p](double u) { return std::pow(1.0 + u, -p); },
          [p](double u) {
            const double l = std::log1p(u);
            return p == 1.0 ? l : -std::expm1((1.0 - p) * l) / (p - 1.0);
          }};
}

Family exponential_family(double horizon) {
  return {"E", horizon, [](double u) { return std::exp(-u); }, [](double u) { return -std::expm1(-u); }};
}

Family stretched_family(double b, double horizon) {
  return {"S", horizon, [b](double u) { return std::exp(-std::pow(u, b)); },
          [b](double u) {
            return std::isinf(u) ? std::tgamma(1.0 + 1.0 / b) : boost::math::tgamma_lower(1.0 / b, std::pow(u, b)) / b;
          }};
}

Family logarithmic_family(double m, double horizon) {
  return {"L", horizon, [m](double u) { return 1.0 / (1.0 + u) * std::pow(1.0 + std::log1p(u), -m); },
          [m](double u) { return -std::expm1((1.0 - m) * std::log1p(std::log1p(u))) / (m - 1.0); }};
}

Family family_of_row(const std::string& letter, double parameter, double horizon) {
  if (letter == "P") return power_family(parameter, horizon);
  if (letter == "E") return exponential_family(horizon);
  if (letter == "S") return stretched_family(parameter, horizon);
  if (letter == "L") return logarithmic_family(parameter, horizon);
  throw std::runtime_error("no family " + letter);
}

OrderParameterCurves sampled(const Family& family, double t_max, int n, bool closure) {
  std::vector<double> t{0.0}, c1{0.5}, c2{0.5};
  const double first = 1e-3 * family.horizon;
  for (int i = 0; i < n; ++i) {
    const double time = i + 1 == n ? t_max : first * std::pow(t_max / first, static_cast<double>(i) / (n - 1));
    const double value = family.c1(time);
    if (value < 1e-280) break;
    t.push_back(time);
    c1.push_back(value);
    c2.push_back(closure ? 1.0 - value : 0.5);
  }
  return {Curve(t, c1), Curve(t, c2), {}, false};
}

}  // namespace iclk::test
