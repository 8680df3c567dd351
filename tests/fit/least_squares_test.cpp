#include "iclk/fit/least_squares.hpp"

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

/// [n x (degree + 1)]: 1, x, x^2, ...
std::vector<double> polynomial_design(std::span<const double> x, int degree) {
  std::vector<double> design;
  for (const double value : x) {
    double power = 1;
    for (int j = 0; j <= degree; ++j, power *= value) design.push_back(power);
  }
  return design;
}

struct Certified {
  std::vector<double> coefficients, standard_errors;
  double residual_sd;
  double r_squared;
};

void require_certified(const fit::LeastSquaresFit& fit, const Certified& certified, double tolerance) {
  REQUIRE(fit.outcome == fit::LeastSquaresOutcome::fitted);
  REQUIRE(fit.coefficients.size() == certified.coefficients.size());
  for (std::size_t j = 0; j < fit.coefficients.size(); ++j) {
    CAPTURE(j);
    CHECK_THAT(fit.coefficients[j], WithinRel(certified.coefficients[j], tolerance));
    CHECK_THAT(fit.standard_errors[j], WithinRel(certified.standard_errors[j], tolerance));
  }
  CHECK_THAT(*fit.residual_sd, WithinRel(certified.residual_sd, tolerance));
  CHECK_THAT(*fit.r_squared, WithinRel(certified.r_squared, tolerance));
}

}  // namespace

// Certified values and data: NIST Statistical Reference Datasets, linear regression,
// https://www.itl.nist.gov/div898/strd.

TEST_CASE("least squares: NIST Norris is certified to 11 digits", "[fit][least_squares]") {
  const std::vector<double> x{0.2, 337.4, 118.2, 884.6, 10.1,  226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4,
                              0.6, 775.5, 666.9, 338.0, 447.5, 11.6,  556.0, 228.1, 995.8, 887.6, 120.2, 0.3,
                              0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1,  118.3, 229.2, 669.1, 448.9, 0.5};
  const std::vector<double> y{0.1, 338.8, 118.1, 888.0, 9.2,   228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3,
                              0.1, 778.1, 668.8, 339.3, 448.9, 10.8,  557.7, 228.3, 998.0, 888.8, 119.6, 0.3,
                              0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2,  117.6, 228.9, 668.4, 449.2, 0.2};
  const auto fit = fit::fit_least_squares(polynomial_design(x, 1), 2, y);
  require_certified(fit,
                    {{-0.262323073774029, 1.00211681802045},
                     {0.232818234301152, 0.429796848199937e-3},
                     0.884796396144373,
                     0.999993745883712},
                    1e-11);
  REQUIRE_THAT(fit.residual_sum_of_squares, WithinRel(26.6173985294224, 1e-11));
  REQUIRE_THAT(fit.degrees_of_freedom, WithinAbs(34, 0));
}

TEST_CASE("least squares: NIST Longley is certified to 8 digits", "[fit][least_squares]") {
  const std::vector<double> y{60323, 61122, 60171, 61187, 63221, 63639, 64989, 63761,
                              66019, 67857, 68169, 66513, 68655, 69564, 69331, 70551};
  const std::vector<std::vector<double>> rows{
      {83.0, 234289, 2356, 1590, 107608, 1947},  {88.5, 259426, 2325, 1456, 108632, 1948},
      {88.2, 258054, 3682, 1616, 109773, 1949},  {89.5, 284599, 3351, 1650, 110929, 1950},
      {96.2, 328975, 2099, 3099, 112075, 1951},  {98.1, 346999, 1932, 3594, 113270, 1952},
      {99.0, 365385, 1870, 3547, 115094, 1953},  {100.0, 363112, 3578, 3350, 116219, 1954},
      {101.2, 397469, 2904, 3048, 117388, 1955}, {104.6, 419180, 2822, 2857, 118734, 1956},
      {108.4, 442769, 2936, 2798, 120445, 1957}, {110.8, 444546, 4681, 2637, 121950, 1958},
      {112.6, 482704, 3813, 2552, 123366, 1959}, {114.2, 502601, 3931, 2514, 125368, 1960},
      {115.7, 518173, 4806, 2572, 127852, 1961}, {116.9, 554894, 4007, 2827, 130081, 1962}};
  std::vector<double> design;
  for (const auto& row : rows) {
    design.push_back(1);
    design.insert(design.end(), row.begin(), row.end());
  }
  require_certified(fit::fit_least_squares(design, 7, y),
                    {{-3482258.63459582, 15.0618722713733, -0.358191792925910e-1, -2.02022980381683, -1.03322686717359,
                      -0.511041056535807e-1, 1829.15146461355},
                     {890420.383607373, 84.9149257747669, 0.334910077722432e-1, 0.488399681651699, 0.214274163161675,
                      0.226073200069370, 455.478499142212},
                     304.854073561965,
                     0.995479004577296},
                    1e-8);
}

TEST_CASE("least squares: NIST Wampler1 and Wampler3 fifth-degree polynomials", "[fit][least_squares]") {
  std::vector<double> x, exact;
  for (int i = 0; i <= 20; ++i) x.push_back(i);
  const auto design = polynomial_design(x, 5);
  for (std::size_t i = 0; i < x.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < 6; ++j) sum += design[6 * i + j];
    exact.push_back(sum);
  }
  const auto fit1 = fit::fit_least_squares(design, 6, exact);
  for (const double b : fit1.coefficients) REQUIRE_THAT(b, WithinRel(1.0, 1e-8));
  REQUIRE_THAT(*fit1.residual_sd, WithinAbs(0, 1e-8 * 3368421));

  const std::vector<double> y{760,    -2042,  2111,    -1684,   3888,    1858,    11379,
                              17560,  39287,  64382,   113159,  175108,  273291,  400186,
                              581243, 811568, 1121004, 1506550, 2002767, 2611612, 3369180};
  require_certified(
      fit::fit_least_squares(design, 6, y),
      {{1, 1, 1, 1, 1, 1},
       {2152.32624678170, 2363.55173469681, 779.343524331583, 101.475507550350, 5.64566512170752, 0.112324854679312},
       2360.14502379268,
       0.999995559025820},
      1e-8);
}

TEST_CASE("least squares: NIST Filip to 6 digits at condition 1e10", "[fit][least_squares]") {
  const std::vector<double> y{
      0.8116, 0.9072, 0.9052, 0.9039, 0.8053, 0.8377, 0.8667, 0.8809, 0.7975, 0.8162, 0.8515, 0.8766, 0.8885, 0.8859,
      0.8959, 0.8913, 0.8959, 0.8971, 0.9021, 0.909,  0.9139, 0.9199, 0.8692, 0.8872, 0.89,   0.891,  0.8977, 0.9035,
      0.9078, 0.7675, 0.7705, 0.7713, 0.7736, 0.7775, 0.7841, 0.7971, 0.8329, 0.8641, 0.8804, 0.7668, 0.7633, 0.7678,
      0.7697, 0.77,   0.7749, 0.7796, 0.7897, 0.8131, 0.8498, 0.8741, 0.8061, 0.846,  0.8751, 0.8856, 0.8919, 0.8934,
      0.894,  0.8957, 0.9047, 0.9129, 0.9209, 0.9219, 0.7739, 0.7681, 0.7665, 0.7703, 0.7702, 0.7761, 0.7809, 0.7961,
      0.8253, 0.8602, 0.8809, 0.8301, 0.8664, 0.8834, 0.8898, 0.8964, 0.8963, 0.9074, 0.9119, 0.9228};
  const std::vector<double> x{
      -6.860120914, -4.324130045, -4.358625055, -4.358426747, -6.955852379, -6.661145254, -6.355462942, -6.118102026,
      -7.115148017, -6.815308569, -6.519993057, -6.204119983, -5.853871964, -6.109523091, -5.79832982,  -5.482672118,
      -5.171791386, -4.851705903, -4.517126416, -4.143573228, -3.709075441, -3.499489089, -6.300769497, -5.953504836,
      -5.642065153, -5.031376979, -4.680685696, -4.329846955, -3.928486195, -8.56735134,  -8.363211311, -8.107682739,
      -7.823908741, -7.522878745, -7.218819279, -6.920818754, -6.628932138, -6.323946875, -5.991399828, -8.781464495,
      -8.663140179, -8.473531488, -8.247337057, -7.971428747, -7.676129393, -7.352812702, -7.072065318, -6.774174009,
      -6.478861916, -6.159517513, -6.835647144, -6.53165267,  -6.224098421, -5.910094889, -5.598599459, -5.290645224,
      -4.974284616, -4.64454848,  -4.290560426, -3.885055584, -3.408378962, -3.13200249,  -8.726767166, -8.66695597,
      -8.511026475, -8.165388579, -7.886056648, -7.588043762, -7.283412422, -6.995678626, -6.691862621, -6.392544977,
      -6.067374056, -6.684029655, -6.378719832, -6.065855188, -5.752272167, -5.132414673, -4.811352704, -4.098269308,
      -3.66174277,  -3.2644011};
  require_certified(
      fit::fit_least_squares(polynomial_design(x, 10), 11, y),
      {{-1467.48961422980, -2772.17959193342, -2316.37108160893, -1127.97394098372, -354.478233703349,
        -75.1242017393757, -10.8753180355343, -1.06221498588947, -0.670191154593408e-1, -0.246781078275479e-2,
        -0.402962525080404e-4},
       {298.084530995537, 559.779865474950, 466.477572127796, 227.204274477751, 71.6478660875927, 15.2897178747400,
        2.23691159816033, 0.221624321934227, 0.142363763154724e-1, 0.535617408889821e-3, 0.896632837373868e-5},
       0.334801051324544e-2,
       0.996727416185620},
      1e-6);
}

TEST_CASE("least squares: NIST NoInt1 measures goodness about zero", "[fit][least_squares]") {
  std::vector<double> x, y;
  for (int i = 0; i <= 10; ++i) {
    x.push_back(60 + i);
    y.push_back(130 + i);
  }
  require_certified(fit::fit_least_squares(x, 1, y),
                    {{2.07438016528926}, {0.165289256198347e-1}, 3.56753034006338, 0.999365492298663}, 1e-13);
}

TEST_CASE("least squares: an integer weight is a repeated observation", "[fit][least_squares][identity]") {
  const std::vector<double> x{1, 2, 3, 5, 8}, y{1.1, 3.9, 6.2, 9.7, 17.3}, weights{1, 3, 2, 0, 2};
  std::vector<double> repeated_x, repeated_y;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (int r = 0; r < static_cast<int>(weights[i]); ++r) {
      repeated_x.push_back(x[i]);
      repeated_y.push_back(y[i]);
    }
  }
  const auto weighted = fit::fit_least_squares(polynomial_design(x, 1), 2, y, weights);
  const auto repeated = fit::fit_least_squares(polynomial_design(repeated_x, 1), 2, repeated_y);
  for (std::size_t j = 0; j < 2; ++j)
    REQUIRE_THAT(weighted.coefficients[j], WithinRel(repeated.coefficients[j], 1e-13));
  REQUIRE_THAT(weighted.residual_sum_of_squares, WithinRel(repeated.residual_sum_of_squares, 1e-12));
  REQUIRE_THAT(*weighted.r_squared, WithinRel(*repeated.r_squared, 1e-13));
  // Degrees of freedom count observations: 4 used here, 8 there.
  REQUIRE_THAT(weighted.degrees_of_freedom, WithinAbs(2, 0));
  REQUIRE_THAT(weighted.covariance[1], WithinRel(repeated.covariance[1] * 6 / 2, 1e-12));
}

TEST_CASE("least squares: common factors of weights and units of columns change nothing", "[fit][identity]") {
  Rng rng(1, RandomPurpose::test, 0);
  std::vector<double> design, scaled, y, w, w_scaled;
  for (int i = 0; i < 12; ++i) {
    const double a = rng.normal(), b = rng.normal();
    design.insert(design.end(), {1, a, b});
    scaled.insert(scaled.end(), {1, 1e9 * a, 1e-9 * b});
    y.push_back(1 + 2 * a - b + 0.1 * rng.normal());
    w.push_back(rng.uniform(0.5, 2));
    w_scaled.push_back(1e6 * w.back());
  }
  const auto one = fit::fit_least_squares(design, 3, y, w);
  const auto two = fit::fit_least_squares(scaled, 3, y, w_scaled);
  REQUIRE_THAT(two.coefficients[1] * 1e9, WithinRel(one.coefficients[1], 1e-12));
  REQUIRE_THAT(two.standard_errors[2] * 1e-9, WithinRel(one.standard_errors[2], 1e-12));
  REQUIRE_THAT(*two.coefficient_interval[0].low, WithinRel(*one.coefficient_interval[0].low, 1e-12));
  // Residuals are orthogonal to every column.
  for (std::size_t j = 0; j < 3; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += w[i] * one.residuals[i] * design[3 * i + j];
    REQUIRE_THAT(sum, WithinAbs(0, 1e-12));
  }
}

TEST_CASE("least squares: too little information is an outcome", "[fit][least_squares]") {
  const std::vector<double> design{1, 2, 1, 3}, y{4, 7};
  const auto saturated = fit::fit_least_squares(design, 2, y);
  REQUIRE(saturated.outcome == fit::LeastSquaresOutcome::saturated);
  REQUIRE_THAT(saturated.coefficients[1], WithinRel(3.0, 1e-13));
  REQUIRE(saturated.standard_errors.empty());
  REQUIRE_FALSE(saturated.coefficient_interval[1].low);

  using Outcome = fit::LeastSquaresOutcome;
  REQUIRE(fit::fit_least_squares(std::vector<double>{1, 2, 2, 4, 3, 6}, 2, std::vector<double>{1, 2, 3}).outcome ==
          Outcome::rank_deficient);
  REQUIRE(fit::fit_least_squares(std::vector<double>{1, 0, 1, 0, 1, 0}, 2, std::vector<double>{1, 2, 3}).outcome ==
          Outcome::rank_deficient);
  REQUIRE(fit::fit_least_squares(std::vector<double>{1, 2}, 2, std::vector<double>{1}).outcome ==
          Outcome::rank_deficient);
  REQUIRE(fit::fit_least_squares({}, 2, {}).outcome == Outcome::rank_deficient);
}

TEST_CASE("least squares: bad input names the field", "[fit][least_squares][errors]") {
  const std::vector<double> three{1, 2, 3}, bad{1, std::numeric_limits<double>::quiet_NaN(), 3}, negative{1, -2, 3};
  REQUIRE_THROWS_WITH(fit::fit_least_squares(three, 0, three), "n_columns: expected at least one column, got 0");
  REQUIRE_THROWS_WITH(fit::fit_least_squares(three, 2, three), "design: expected 3 x 2 entries, got 3");
  REQUIRE_THROWS_WITH(fit::fit_least_squares(three, 1, three, std::vector<double>{1}),
                      "weights: expected none or 3, got 1");
  REQUIRE_THROWS_WITH(fit::fit_least_squares(bad, 1, three), "design[1]: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(fit::fit_least_squares(three, 1, bad), "observations[1]: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(fit::fit_least_squares(three, 1, three, negative),
                      "weights[1]: expected zero or a positive number, got -2");
  REQUIRE_THROWS_WITH(fit::student_t_quantile(1, 3), "probability: expected a number in (0, 1), got 1");
  REQUIRE_THROWS_WITH(fit::student_t_quantile(0.5, 0), "degrees_of_freedom: expected a positive number, got 0");
}

TEST_CASE("Student t quantile: closed forms for 1 and 2 degrees of freedom and the normal limit", "[fit][limits]") {
  // dof 1: tan(pi (p - 1/2)); dof 2: (2p - 1) sqrt(2 / (4 p (1 - p))); normal: 1.95996398454005423552... (30 digits
  // known).
  const double pi = 3.14159265358979323846;
  for (const double p : {0.6, 0.9, 0.975, 0.999}) {
    REQUIRE_THAT(fit::student_t_quantile(p, 1), WithinRel(std::tan(pi * (p - 0.5)), 1e-12));
    REQUIRE_THAT(fit::student_t_quantile(p, 2), WithinRel((2 * p - 1) * std::sqrt(1 / (2 * p * (1 - p))), 1e-12));
    REQUIRE_THAT(fit::student_t_quantile(1 - p, 7), WithinRel(-fit::student_t_quantile(p, 7), 1e-12));
  }
  REQUIRE_THAT(fit::student_t_quantile(0.975, std::numeric_limits<double>::infinity()),
               WithinRel(1.95996398454005423552, 1e-14));
}
