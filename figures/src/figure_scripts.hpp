#pragma once

#include <string_view>

// Texts of the gnuplot scripts beside this component's CMakeLists.txt, which embeds them in the library.
namespace iclk::figures::scripts {

extern const std::string_view style;
extern const std::string_view fig5_memorization_law;
extern const std::string_view figA2_order_parameters;
extern const std::string_view figA3_memorization_integral;

}  // namespace iclk::figures::scripts
