#include "item_sketch.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "iclk/core/normal_fill.hpp"
#include "iclk/core/random.hpp"
#include "iclk/transformer/attention_model.hpp"
#include "item_kernels.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "transformer/model_checks.hpp"

using namespace iclk;
using namespace iclk::transformer;
using namespace iclk::test;

namespace {

using Vector = std::vector<double>;

double dot(const Vector& x, const Vector& y) { return std::inner_product(x.begin(), x.end(), y.begin(), 0.0); }
double length(const Vector& x) { return std::sqrt(dot(x, x)); }
Vector plus(Vector x, double factor, const Vector& y) {
  for (std::size_t d = 0; d < x.size(); ++d) x[d] += factor * y[d];
  return x;
}
/// x across unit vectors.
Vector across(Vector x, const std::vector<Vector>& axes) {
  for (const Vector& axis : axes) x = plus(x, -dot(axis, x), axis);
  return x;
}
Vector unit(const Vector& x) { return plus(Vector(x.size()), 1.0 / length(x), x); }

/// The z whose chi^2 this is.
double normal_of(const ChiSquare& law, double value) {
  double low = -6.8, high = 6.8;
  for (int i = 0; i < 60; ++i) (chi_square(law, (low + high) / 2) < value ? low : high) = (low + high) / 2;
  return low;
}

/// One sequence of real items, from which the numbers of its sketch are computed: what project, combine and pull_back
/// must then give is known.
struct RealSequence {
  Vector target, direction, gradient;
  std::vector<Vector> items;  // of the exemplars, and the target behind them
  std::vector<bool> copy;
  Vector weights, scales, offsets;
  std::size_t dim() const { return target.size(); }

  RealSequence(std::size_t n, std::size_t d, bool attend_self, Rng& rng) {
    const double sd = 1.0 / std::sqrt(static_cast<double>(d));
    const auto random = [&](std::size_t size, double scale) {
      Vector x(size);
      for (double& value : x) value = static_cast<float>(scale * rng.normal());
      return x;
    };
    target = random(d, sd);
    direction = random(d, 1.0);
    gradient = random(d, 1.0);
    const std::size_t place = rng.below(n);
    for (std::size_t j = 0; j < n + (attend_self ? 1 : 0); ++j) {
      copy.push_back(j == place || j == n);
      items.push_back(copy.back() ? target : random(d, sd));
      weights.push_back(std::exp(2.0 * rng.normal()));
      scales.push_back(5.0 + rng.uniform());
      offsets.push_back(rng.normal());
    }
  }
};

void put(std::vector<float>& normals, std::size_t b, std::size_t j, std::size_t n_rows, std::size_t k, double value) {
  const std::size_t row = (b / kSketchLanes * n_rows + j) * kSketchNormals + k;
  normals[row * kSketchLanes + b % kSketchLanes] = static_cast<float>(value);
}

/// Fills in lane b of the batch; returns sum_j a_j s_j x_j and sum_j f_j s_j x_j with forces f.
struct Expected {
  Vector mean, forces, back;
};
Expected sketch(const RealSequence& real, SketchBatch& batch, std::size_t b) {
  const std::size_t d = real.dim(), n = batch.n_context, rows = n + 1;
  const double root = std::sqrt(static_cast<double>(d));
  const ChiSquare outside = fitted_chi_square(d - 2), walk_law = fitted_chi_square(d - 3),
                  turn_law = fitted_chi_square(d - 6);
  const Vector u1(d, 1.0 / root), u2 = unit(across(real.direction, {u1}));
  std::copy(real.target.begin(), real.target.end(), batch.targets.begin() + static_cast<std::ptrdiff_t>(b * d));
  for (std::size_t j = 0; j < rows; ++j) {
    batch.items[b * rows + j] = j < n && !real.copy[j] ? static_cast<std::uint32_t>(j) : 1000U;
  }
  Expected expected{Vector(d), {}, Vector(d)};
  Vector walk(d);
  std::vector<Vector> walks;  // after exemplar j
  for (std::size_t j = 0; j < real.items.size(); ++j) {
    const Vector& x = real.items[j];
    const double weight = real.weights[j] * real.scales[j];
    expected.mean = plus(expected.mean, weight, x);
    expected.forces.push_back(real.weights[j] * (real.scales[j] * dot(x, real.gradient) + real.offsets[j]));
    expected.back = plus(expected.back, expected.forces[j] * real.scales[j], x);
    if (!real.copy[j]) {
      const Vector rest = across(x, {u1, u2});
      put(batch.normals, b, j, rows, 0, root * dot(x, u1));
      put(batch.normals, b, j, rows, 1, root * dot(x, u2));
      put(batch.normals, b, j, rows, 2, normal_of(outside, static_cast<double>(d) * dot(rest, rest)));
      const double turn = length(walk) > 0 ? dot(unit(walk), unit(rest)) : 0.0;
      put(batch.normals, b, j, rows, 3, turn * std::sqrt(chi_square(walk_law, 0.0) / (1.0 - turn * turn)));
      walk = plus(walk, weight, rest);
    }
    walks.push_back(walk);
  }
  const Vector f1 = unit(walk), f2 = unit(across(real.gradient, {u1, u2, f1}));
  Vector sum(d);  // of forces, outside u1 and u2
  bool first = true;
  for (std::size_t j = real.items.size(); j-- > 0;) {
    if (real.copy[j]) continue;
    const Vector rest = across(real.items[j], {u1, u2}), e = unit(rest), h = unit(walks[j]);
    const Vector outside_walk = across(walks[j], {f1, f2}), outside_sum = across(sum, {f1, f2});
    // At first both lie within f1: any axes will do.
    const Vector some = across(real.items[j == 0 ? 1 : 0], {u1, u2, f1, f2});
    const Vector other = across(real.items[j <= 2 ? 3 : 2], {u1, u2, f1, f2});
    const Vector g1 = unit(first ? some : outside_walk);
    const Vector sum_left = across(outside_sum, {g1});
    // After one step both have gone the same way.
    const Vector g2 = unit(length(sum_left) > 1e-9 * length(sum) ? sum_left : across(other, {g1}));
    const Vector turned = plus(e, -dot(e, h), h);
    const double left = length(across(turned, {f1, f2, g1, g2}));
    const double scale = std::sqrt(chi_square(turn_law, 0.0)) / left;
    if (left > 1e-9) {  // else this exemplar is where the walk began, or has nothing outside: its turn does not count
      put(batch.normals, b, j, rows, 5, scale * dot(turned, f1));
      put(batch.normals, b, j, rows, 6, scale * dot(turned, f2));
      put(batch.normals, b, j, rows, 7, scale * dot(turned, g1));
      put(batch.normals, b, j, rows, 8, scale * dot(turned, g2));
    }
    sum = plus(sum, expected.forces[j] * real.scales[j], rest);
    first = false;
  }
  const auto axes = batch.axes.begin() + static_cast<std::ptrdiff_t>(2 * b * d);
  std::copy(walk.begin(), walk.end(), axes);
  std::copy(sum.begin(), sum.end(), axes + static_cast<std::ptrdiff_t>(d));
  return expected;
}

/// Mean and variance of many numbers at once.
struct Moments {
  std::vector<double> sum, squares;
  double n = 0;
  void add(const std::vector<double>& x) {
    sum.resize(x.size());
    squares.resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum[i] += x[i];
      squares[i] += x[i] * x[i];
    }
    n += 1;
  }
  double mean(std::size_t i) const { return sum[i] / n; }
  double squared_error(std::size_t i) const { return (squares[i] / n - mean(i) * mean(i)) / (n - 1); }
};

}  // namespace

TEST_CASE("item sketch: the fitted chi^2 is its quantile", "[transformer][parity]") {
  for (const std::size_t m : {26, 57, 60, 61, 250}) {
    const ChiSquare law = fitted_chi_square(m);
    const boost::math::chi_squared exact(static_cast<double>(m));
    for (double z = -6.75; z < 6.8; z += 0.25) {
      CAPTURE(m, z);
      const double tail = boost::math::cdf(boost::math::normal(), -std::abs(z));
      const double expected =
          z < 0 ? boost::math::quantile(exact, tail) : boost::math::quantile(boost::math::complement(exact, tail));
      REQUIRE_THAT(chi_square(law, z), WithinRel(expected, 2e-8));
    }
  }
}

TEST_CASE("item sketch: sketched from real items it gives what the items give", "[transformer][parity]") {
  for (const bool attend_self : {true, false}) {
    for (const std::size_t dim : {32, 63}) {
      CAPTURE(attend_self, dim);
      constexpr std::size_t n = 12, n_sequences = 11;
      Rng rng(3, RandomPurpose::test, dim);
      SketchBatch batch;
      batch.n_sequences = n_sequences;
      batch.n_context = n;
      batch.dim = dim;
      batch.targets.resize(n_sequences * dim);
      batch.items.resize(n_sequences * (n + 1));
      batch.labels.assign(n_sequences * (n + 1), 1);
      batch.normals.resize(16 * (n + 1) * kSketchNormals);
      batch.axes.resize(n_sequences * 2 * dim);
      std::vector<RealSequence> real;
      std::vector<Expected> expected;
      const std::size_t width = dim + 2, rows = n + 1;
      Vector directions(n_sequences * width), gradients(n_sequences * width), weights(n_sequences * rows),
          scales(n_sequences * rows), scaled(n_sequences * rows), offsets(n_sequences * rows);
      for (std::size_t b = 0; b < n_sequences; ++b) {
        real.emplace_back(n, dim, attend_self, rng);
        expected.push_back(sketch(real[b], batch, b));
        for (std::size_t d = 0; d < dim; ++d) {
          directions[b * width + d] = real[b].direction[d];
          gradients[b * width + d] = real[b].gradient[d];
        }
        for (std::size_t j = 0; j < real[b].items.size(); ++j) {
          weights[b * rows + j] = real[b].weights[j];
          scales[b * rows + j] = real[b].scales[j];
          scaled[b * rows + j] = weights[b * rows + j] * scales[b * rows + j];
          offsets[b * rows + j] = real[b].offsets[j];
        }
      }
      ItemSketch<double> sketches(n, dim, n_sequences, attend_self);
      Vector dots(n_sequences * rows), sums(n_sequences * rows), squares(n_sequences * rows), out(n_sequences * width),
          forces(n_sequences * rows), back(n_sequences * width);
      sketches.project(batch, directions.data(), dots.data(), sums.data(), squares.data());
      sketches.combine(batch, scaled.data(), out.data());
      sketches.pull_back(batch, gradients.data(), weights.data(), scales.data(), offsets.data(), forces.data(),
                         back.data());
      // Normals are floats: 6e-8 of numbers up to 5, in sums of 12 terms with weights up to 40 scales of 6.
      for (std::size_t b = 0; b < n_sequences; ++b) {
        CAPTURE(b);
        const double largest = 6.0 * *std::max_element(real[b].weights.begin(), real[b].weights.end());
        for (std::size_t j = 0; j < real[b].items.size(); ++j) {
          CAPTURE(j);
          const Vector& x = real[b].items[j];
          CHECK_THAT(dots[b * rows + j], WithinAbs(dot(x, real[b].direction), 2e-6));
          CHECK_THAT(sums[b * rows + j], WithinAbs(std::accumulate(x.begin(), x.end(), 0.0), 2e-6));
          CHECK_THAT(squares[b * rows + j], WithinAbs(dot(x, x), 2e-6));
          CHECK_THAT(forces[b * rows + j], WithinAbs(expected[b].forces[j], 1e-5 * largest));
        }
        for (std::size_t d = 0; d < dim; ++d) {
          CHECK_THAT(out[b * width + d], WithinAbs(expected[b].mean[d], 1e-5 * largest));
          CHECK_THAT(back[b * width + d], WithinAbs(expected[b].back[d], 1e-4 * largest));
        }
      }
    }
  }
}

TEST_CASE("item sketch: every instruction set gives the same to rounding", "[transformer][parity]") {
  constexpr std::size_t n = 20, size = n * kSketchLanes;
  Rng rng(5, RandomPurpose::test, 0);
  std::vector<float> normals(size * kSketchNormals);
  for (float& x : normals) x = static_cast<float>(rng.normal());
  const auto random = [&] {
    Vector x(size);
    for (double& value : x) value = rng.uniform();
    return x;
  };
  const Vector weights = random(), scales = random(), offsets = random();
  Vector scaled(size), copy(size);
  for (std::size_t i = 0; i < size; ++i) scaled[i] = weights[i] * scales[i];
  for (std::size_t i = 0; i < kSketchLanes; ++i) copy[i * kSketchLanes + i] = 1.0;
  const SketchLaw law{1.0 / std::sqrt(63.0), std::sqrt(63.0), fitted_chi_square(61), fitted_chi_square(60),
                      fitted_chi_square(57)};
  SketchDirection direction{};
  SketchTarget target{};
  for (std::size_t i = 0; i < kSketchLanes; ++i) {
    direction.along1[i] = rng.normal();
    direction.along2[i] = rng.normal();
    direction.along3[i] = rng.normal();
    direction.along4[i] = rng.normal();
    direction.target[i] = rng.normal();
    target.sum[i] = rng.normal();
    target.square[i] = 1.0 + rng.uniform();
  }
  const Vector axis = random(), other = random();
  std::vector<Vector> results;
  for (const SketchKernel& kernel : sketch_kernels()) {
    std::vector<float> lengths(size);
    Vector cosines(size);
    const SketchRows rows{n, normals.data(), copy.data(), lengths.data(), cosines.data()};
    Vector dots(size), sums(size), squares(size), forces(size);
    SketchSum sum, back;
    kernel.project(law, rows, direction, target, dots.data(), sums.data(), squares.data());
    kernel.combine(law, rows, scaled.data(), sum);
    kernel.pull_back(law, rows, direction, sum.rest, weights.data(), scales.data(), offsets.data(), forces.data(),
                     back);
    Vector all;
    for (const Vector* part : {&dots, &sums, &squares, &forces}) all.insert(all.end(), part->begin(), part->end());
    for (const double* part :
         {sum.along1, sum.rest, back.along1, back.along2, back.along3, back.along4, back.target, back.rest}) {
      all.insert(all.end(), part, part + kSketchLanes);
    }
    for (const std::size_t coordinates : {kSketchLanes, 2 * kSketchLanes, 5 * kSketchLanes}) {
      Vector left = other;
      kernel.remove(axis.data(), left.data(), coordinates);
      double dot = 0.0;
      for (std::size_t i = 0; i < coordinates; ++i) dot += axis[i] * other[i];
      CHECK_THAT(kernel.dot(axis.data(), other.data(), coordinates), WithinAbs(dot, 1e-13));
      for (std::size_t i = 0; i < size; ++i) {
        CHECK_THAT(left[i], WithinAbs(i < coordinates ? other[i] - dot * axis[i] : other[i], 1e-13));
      }
    }
    results.push_back(std::move(all));
    CAPTURE(kernel.name);
    // Lengths are kept as floats: 1e-7 each, where a rounding differs.
    for (std::size_t i = 0; i < results[0].size(); ++i) CHECK_THAT(results.back()[i], WithinAbs(results[0][i], 2e-5));
  }
}

TEST_CASE("item sketch: forces and sums have the law of those of items", "[transformer][parity]") {
  // Attention from scores and lengths, a gradient that depends on the mean: as in a step, and everything that the passes
  // give enters a statistic. N = 5, the second exemplar is the target, which attends to itself too.
  constexpr std::size_t dim = 32, n = 5, rows = n + 1, width = dim + 2, n_sequences = 64, n_batches = 1500;
  ItemSketch<double> sketches(n, dim, n_sequences, true);
  const auto kernels = best_item_kernels<double>();
  Rng fixed(12, RandomPurpose::test, 0);
  Vector direction(dim), base(dim);
  for (std::size_t d = 0; d < dim; ++d) {
    direction[d] = fixed.normal();
    base[d] = fixed.normal();
  }
  SketchBatch batch;
  batch.n_sequences = n_sequences;
  batch.n_context = n;
  batch.dim = dim;
  batch.targets.resize(n_sequences * dim);
  batch.normals.resize(n_sequences * rows * kSketchNormals);
  batch.axes.resize(n_sequences * 2 * dim);
  for (std::size_t b = 0; b < n_sequences; ++b) batch.items.insert(batch.items.end(), {0, 5, 2, 3, 4, 5});
  std::vector<float> table(n_sequences * rows * dim);
  const double sd = 1.0 / std::sqrt(static_cast<double>(dim));
  Moments moments[2];
  Vector directions(n_sequences * width), gradients(n_sequences * width), dots(n_sequences * rows), sums(dots),
      squares(dots), weights(dots), scales(dots), scaled(dots), forces(dots), means(directions), backs(directions);
  const Vector offsets(n_sequences * rows, 0.3);
  for (std::size_t b = 0; b < n_sequences; ++b) {
    std::copy(direction.begin(), direction.end(), directions.begin() + static_cast<std::ptrdiff_t>(b * width));
  }
  for (std::size_t step = 0; step < n_batches; ++step) {
    for (const bool sketched : {false, true}) {
      if (sketched) {
        fill_normals(batch.targets, sd, 1, RandomPurpose::test, 3 * step);
        fill_normals(batch.normals, 1.0, 2, RandomPurpose::test, 3 * step + 1);
        fill_normals(batch.axes, 1.0, 3, RandomPurpose::test, 3 * step + 2);
      } else {
        fill_normals(table, sd, 4, RandomPurpose::test, step);
      }
      const auto items_of = [&](std::size_t b) {
        return ItemRows{table.data() + b * rows * dim, dim, dim, batch.items.data() + b * rows, rows, rows};
      };
      if (sketched) {
        sketches.project(batch, directions.data(), dots.data(), sums.data(), squares.data());
      } else {
        for (std::size_t b = 0; b < n_sequences; ++b) {
          kernels.project(items_of(b), direction.data(), &dots[b * rows], &sums[b * rows], &squares[b * rows]);
        }
      }
      for (std::size_t i = 0; i < dots.size(); ++i) {
        weights[i] = std::exp(0.7 * dots[i] + 0.2 * sums[i] - squares[i]);
        scales[i] = 1.0 / std::sqrt(squares[i]);
        scaled[i] = weights[i] * scales[i];
      }
      if (sketched) {
        sketches.combine(batch, scaled.data(), means.data());
      } else {
        for (std::size_t b = 0; b < n_sequences; ++b) {
          kernels.combine(items_of(b), &scaled[b * rows], &means[b * width]);
        }
      }
      for (std::size_t b = 0; b < n_sequences; ++b) {
        for (std::size_t d = 0; d < dim; ++d) gradients[b * width + d] = base[d] + means[b * width + (d + 1) % dim];
      }
      if (sketched) {
        sketches.pull_back(batch, gradients.data(), weights.data(), scales.data(), offsets.data(), forces.data(),
                           backs.data());
      } else {
        for (std::size_t b = 0; b < n_sequences; ++b) {
          kernels.pull_back(items_of(b), &gradients[b * width], &weights[b * rows], &scales[b * rows],
                            &offsets[b * rows], &forces[b * rows], &backs[b * width]);
        }
      }
      for (std::size_t b = 0; b < n_sequences; ++b) {
        const auto vector = [&](const Vector& of) {
          const auto begin = of.begin() + static_cast<std::ptrdiff_t>(b * width);
          return Vector(begin, begin + static_cast<std::ptrdiff_t>(dim));
        };
        const Vector mean = vector(means), back = vector(backs), gradient = vector(gradients);
        // How much longer the exemplars' sum is than if they stood across each other.
        const float* target = sketched ? &batch.targets[b * dim] : &table[(b * rows + n) * dim];
        Vector fresh = mean;
        for (std::size_t d = 0; d < dim; ++d) fresh[d] -= (scaled[b * rows + 1] + scaled[b * rows + 5]) * target[d];
        double alone = 0.0;
        for (const std::size_t j : {0, 2, 3, 4}) {
          alone += scaled[b * rows + j] * scaled[b * rows + j] * squares[b * rows + j];
        }
        const double cross = dot(fresh, fresh) / alone - 1.0;
        const double* f = &forces[b * rows];
        const double* s = &dots[b * rows];
        const double values[] = {cross,
                                 dot(mean, mean),
                                 dot(back, back),
                                 dot(back, mean),
                                 dot(back, gradient),
                                 dot(back, base),
                                 dot(mean, base),
                                 dot(back, direction),
                                 back[3],
                                 mean[3],
                                 back[3] * mean[3],
                                 f[0],
                                 f[4],
                                 f[0] * f[2],
                                 f[3] * f[4],
                                 f[0] * s[0],
                                 f[1] * f[3],
                                 f[2] * s[4],
                                 f[5],
                                 sums[b * rows + 2],
                                 squares[b * rows + 2]};
        std::vector<double> all(std::begin(values), std::end(values));
        for (const double value : values) all.push_back(value * value);
        moments[sketched ? 1 : 0].add(all);
      }
    }
  }
  for (std::size_t i = 0; i < moments[0].sum.size(); ++i) {
    CAPTURE(i, moments[0].mean(i), moments[1].mean(i));
    const double error = std::sqrt(moments[0].squared_error(i) + moments[1].squared_error(i));
    CHECK(std::abs(moments[1].mean(i) - moments[0].mean(i)) < 4.5 * error);  // 42 statistics, 7e-6 each
  }
}

TEST_CASE("item sketch: training steps have the law of those with items", "[transformer][.slow][parity]") {
  // Gradients of every parameter, mean and mean square, and squares of random combinations of all of them, which know how
  // they go together.
  constexpr std::size_t dim = 32, n = 5, n_sequences = 24;
  constexpr int n_steps = 1500, n_combinations = 60;
  struct Case {
    bool attend_self;
    TaskOptions task;
  };
  const Case cases[] = {{true, {.n_items = {}, .n_context = n, .dim = dim}},
                        {false, {.n_items = {}, .n_context = n, .dim = dim, .copy_share = 0.5, .copies = 2}}};
  for (const Case& each : cases) {
    CAPTURE(each.attend_self);
    const auto model = make_attention_model({.n_context = n,
                                             .dim = dim,
                                             .hidden = 5,
                                             .batch = n_sequences,
                                             .attend_self = each.attend_self,
                                             .backend = mlp_stats::BackendKind::eigen,
                                             .precision = mlp_stats::Precision::float64},
                                            1);
    perturb(*model, 0.15, 2);
    IclTask task(each.task, 4);
    Moments moments[2];
    std::vector<std::vector<double>> combinations;
    const auto start = model->parameters();
    SequenceBatch items;
    SketchBatch sketches;
    for (int step = 0; step < n_steps; ++step) {
      for (int sketched = 0; sketched < 2; ++sketched) {
        const transformer::IclSgd sgd{.lr = 1.0, .mlp_weight_decay = 0.0, .attention_weight_decay = 0.0};
        std::vector<double> values(1);
        if (sketched != 0) {
          task.draw_training(static_cast<std::uint64_t>(step), n_sequences, sketches);
          values[0] = model->train(sketches, sgd);
        } else {
          // Other steps than those of the sketches, which have the same labels and copies.
          task.draw_training(static_cast<std::uint64_t>(step + n_steps), n_sequences, items);
          values[0] = model->train(items, sgd);
        }
        const auto moved = model->parameters();
        for (std::size_t a = 0; a < moved.size(); ++a) {
          for (std::size_t i = 0; i < moved[a].values.size(); ++i) {
            values.push_back(start[a].values[i] - moved[a].values[i]);
          }
        }
        model->load(start);
        const std::size_t n_values = values.size();
        if (combinations.empty()) {
          Rng rng(8, RandomPurpose::test, 1);
          combinations.assign(n_combinations, std::vector<double>(n_values));
          for (auto& combination : combinations) {
            for (double& x : combination) x = rng.normal();
          }
        }
        for (std::size_t i = 0; i < n_values; ++i) values.push_back(values[i] * values[i]);
        for (const auto& combination : combinations) {
          const double product = std::inner_product(combination.begin(), combination.end(), values.begin(), 0.0);
          values.push_back(product * product);
        }
        moments[sketched].add(values);
      }
    }
    // Differences in units of their standard errors: 7000 numbers, many of them correlated, so that the largest is
    // below 5.5 (4e-8 each) and the mean square of each kind near 1.
    double sum = 0.0, sum_of_combinations = 0.0, largest = 0.0;
    int count = 0;
    const std::size_t n_all = moments[0].sum.size();
    for (std::size_t i = 0; i < n_all; ++i) {
      const double error = moments[0].squared_error(i) + moments[1].squared_error(i);
      if (!(error > 0.0)) continue;  // a neuron that never fires
      const double difference = moments[1].mean(i) - moments[0].mean(i);
      const double square = difference * difference / error;
      largest = std::max(largest, std::sqrt(square));
      sum += square;
      if (i + n_combinations >= n_all) sum_of_combinations += square;
      ++count;
    }
    CHECK(count > 5000);
    CHECK(largest < 5.5);
    CHECK(sum / count < 1.3);
    CHECK(sum_of_combinations / n_combinations < 2.0);
  }
}

TEST_CASE("item sketch: a step is drawn from its own streams and allocates nothing", "[transformer]") {
  IclTask task({.n_items = {}, .n_context = 7, .dim = 40}, 9);
  SketchBatch batch, again, next;
  task.draw_training(3, 10, batch);
  task.draw_training(4, 10, next);
  task.draw_training(3, 10, again);
  CHECK(batch.normals == again.normals);
  CHECK(batch.axes == again.axes);
  CHECK(batch.targets == again.targets);
  CHECK(batch.items == again.items);
  CHECK(batch.labels == again.labels);
  CHECK(batch.normals != next.normals);
  CHECK(batch.axes != next.axes);
  CHECK(batch.targets != next.targets);
  const auto model = make_attention_model({.n_context = 7, .dim = 40, .hidden = 8, .batch = 10}, 1);
  REQUIRE(model->takes_sketches());
  model->train(batch, {});
  const long before = n_allocations();
  task.draw_training(5, 10, batch);
  CHECK(std::isfinite(model->train(batch, {})));
  CHECK(n_allocations() == before);
}

TEST_CASE("item sketch: directions without a part across the others are no trouble", "[transformer][limits]") {
  // Without gain the direction of the scores is 0, without values that of the gradient.
  IclTask task({.n_items = {}, .n_context = 7, .dim = 40}, 9);
  SketchBatch batch;
  task.draw_training(0, 10, batch);
  for (const char* zero : {"norm_gain", "value", "query"}) {
    CAPTURE(zero);
    const auto model = make_attention_model({.n_context = 7, .dim = 40, .hidden = 8, .batch = 10}, 1);
    auto arrays = model->parameters();
    for (auto& array : arrays) {
      if (array.name == zero) std::fill(array.values.begin(), array.values.end(), 0.0);
    }
    model->load(arrays);
    CHECK(std::isfinite(model->train(batch, {})));
    for (const auto& array : model->parameters()) {
      for (const double x : array.values) CHECK(std::isfinite(x));
    }
  }
}

TEST_CASE("item sketch: what is not a number is not hidden", "[transformer][limits]") {
  IclTask task({.n_items = {}, .n_context = 7, .dim = 40}, 9);
  SketchBatch batch;
  task.draw_training(0, 10, batch);
  const auto model = make_attention_model({.n_context = 7, .dim = 40, .hidden = 8, .batch = 10}, 1);
  auto arrays = model->parameters();
  for (auto& array : arrays) {
    if (array.name == "query") array.values[5] = std::numeric_limits<double>::quiet_NaN();
  }
  model->load(arrays);
  CHECK(std::isnan(model->train(batch, {})));
}

TEST_CASE("item sketch: only of fresh items and with coordinates enough", "[transformer][errors]") {
  IclTask task({.n_items = 10, .n_context = 7, .dim = 40}, 9);
  SketchBatch batch;
  CHECK_THROWS_WITH(task.draw_training(0, 10, batch),
                    "n_items: sketches are drawn in place of fresh items only, got 10 items");
  CHECK_FALSE(make_attention_model({.n_context = 7, .dim = 31, .hidden = 8, .batch = 10}, 1)->takes_sketches());
}
