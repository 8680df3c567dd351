#pragma once

#include <string>
#include <string_view>

#include "iclk/core/estimate.hpp"

// Texts of the page.
namespace iclk::figures {

/// `text` with & < > " ' written so that it is text in HTML and XML.
std::string escaped(std::string_view text);

/// The same with the symbols of the theory set as such: "beta0" with its Greek letter and index, "I_K", "K*" and so on.
std::string typeset(std::string_view text);

/// "0.736 (0.681 to 0.788)"; a number that is known and not estimated alone; a dash for none.
std::string interval_text(const Estimate& estimate);

/// `value` with up to `digits` significant digits and no zeros at the end: "0.65", "1587".
std::string short_number(double value, int digits = 4);

/// <tag class="kind">content</tag>; without class when kind is empty. `content` is HTML.
std::string element(std::string_view tag, std::string_view content, std::string_view kind = {});

}  // namespace iclk::figures
