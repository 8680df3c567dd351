#pragma once

#include <string_view>

// Texts of the gnuplot scripts beside this component's CMakeLists.txt, which embeds them in the library.
namespace iclk::figures::scripts {

extern const std::string_view style;
extern const std::string_view accuracy_by_items;
extern const std::string_view accuracy_curves;
extern const std::string_view attention_course;
extern const std::string_view diagonal;
extern const std::string_view fade_closed_loop;
extern const std::string_view fig4_loss_landscape;
extern const std::string_view fig5_memorization_law;
extern const std::string_view fig6a_threshold_scaling;
extern const std::string_view fig6b_time_scaling;
extern const std::string_view fig6c_bimodality;
extern const std::string_view fig6d_losses;
extern const std::string_view fig6e_balanced_contexts;
extern const std::string_view figA1a_start_dependence;
extern const std::string_view figA1b_time_distribution;
extern const std::string_view figA2_order_parameters;
extern const std::string_view figA3_memorization_integral;
extern const std::string_view figA4_time_histograms;
extern const std::string_view figA6_fade_times;
extern const std::string_view figA7_sigmoids;
extern const std::string_view phase_diagram;
extern const std::string_view report_style;  ///< of the report's page
extern const std::string_view survival;
extern const std::string_view transience_curves;

}  // namespace iclk::figures::scripts
