#include "iclk/figures/trajectory_figures.hpp"

#include "figure_builders.hpp"
#include "synthetic_curves.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;

TEST_CASE("phase: runs are marks with their share and bring their own start", "[figures]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "curves", {500, 1000, 2000}, 2);
  std::string csv = "run,model,items,context,acquired,time,labels,lambda_w,lr,hidden,dim,batch,beta0,beta0_sd,seed\n";
  const auto add = [&](int id, int items, int context, bool acquired) {
    csv += "r" + std::to_string(id) + ",minimal," + std::to_string(items) + "," + std::to_string(context) +
           (acquired ? ",1" : ",0") + ",100,random,0,0.01,512,63,128,0.25,0.1," + std::to_string(id) + "\n";
  };
  for (int i = 0; i < 4; ++i) add(i, 500, 50, i == 0);
  for (int i = 4; i < 8; ++i) add(i, 1500, 50, true);
  add(8, 1500, 12, false);
  folder.write("threshold.runs.csv", csv);
  const FigureTables figure = phase_of_runs_tables(folder.path());
  const Table& runs = figure.table("runs");
  REQUIRE(runs.rows.size() == 3);
  CHECK(*runs.number(1, "n_context") == 50);
  CHECK(*runs.number(1, "n_items") == 500);
  CHECK(*runs.number(1, "share") == 0.25);
  CHECK(*runs.number(1, "shade") == 4);  // steps at 1, 5, 10 and 25 %
  CHECK(*runs.number(2, "shade") == 9);
  CHECK(*runs.number(0, "shade") == 0);
  CHECK(number_of(figure, "n_min") < 12);
  CHECK_THAT(figure.caption, ContainsSubstring("that of the runs: beta0 = 0.25 (sd 0.1)"));
  // The diagram is that of the runs' start, whatever the options say.
  const FigureTables plain =
      phase_tables(read_curve_folder(folder.path()), {.n_context = 12, .beta0 = 0.25, .beta0_sd = 0.1});
  CHECK(to_csv(figure.table("probability")) == to_csv(plain.table("probability")));
  CHECK(plain.table("runs").rows.empty());
}

TEST_CASE("phase: runs of another network are no marks", "[figures]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "curves", {500, 1000}, 1);
  copy_runs(folder, "minimal_n8_k200");
  const FigureTables figure = phase_of_runs_tables(folder.path(), {.beta0 = 0.1});
  CHECK(figure.table("runs").rows.empty());
  CHECK(to_csv(figure.table("")) == to_csv(phase_tables(read_curve_folder(folder.path()), {.beta0 = 0.1}).table("")));
}
