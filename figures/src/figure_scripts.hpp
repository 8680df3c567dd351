#pragma once

#include <string_view>

// Texts of the gnuplot scripts beside this component's CMakeLists.txt, which embeds them in the library.
namespace iclk::figures::scripts {

extern const std::string_view style;
extern const std::string_view fig4_loss_landscape;
extern const std::string_view fig5_memorization_law;
extern const std::string_view fig6c_bimodality;
extern const std::string_view figA1a_start_dependence;
extern const std::string_view figA1b_time_distribution;
extern const std::string_view figA2_order_parameters;
extern const std::string_view figA3_memorization_integral;
extern const std::string_view phase_diagram;

}  // namespace iclk::figures::scripts
