#include "page_text.hpp"

#include <array>
#include <cctype>
#include <utility>

#include "figure_parts.hpp"

namespace iclk::figures {
namespace {

/// Words of the theory and how a page shows them; the longest first where one begins like another.
constexpr std::array<std::pair<std::string_view, std::string_view>, 20> kSymbols = {{
    {"I_K(infinity)", "<i>I<sub>K</sub></i>(∞)"},
    {"I_K(inf)", "<i>I<sub>K</sub></i>(∞)"},
    {"I_K", "<i>I<sub>K</sub></i>"},
    {"K^nu", "<i>K</i><sup>ν</sup>"},
    {"t_ICL", "<i>t</i><sub>ICL</sub>"},
    {"L_ICL", "<i>L</i><sub>ICL</sub>"},
    {"L_IWL", "<i>L</i><sub>IWL</sub>"},
    {"lambda_w", "λ<sub>w</sub>"},
    {"lambda", "λ"},
    {"beta0", "β<sub>0</sub>"},
    {"beta", "β"},
    {"nu", "ν"},
    {"K*", "<i>K</i>*"},
    {"c1", "<i>c</i><sub>1</sub>"},
    {"c2", "<i>c</i><sub>2</sub>"},
    {"c3", "<i>c</i><sub>3</sub>"},
    {"w0", "<i>w</i><sub>0</sub>"},
    {"sqrt", "√"},
    {"1e-5", "10<sup>−5</sup>"},
    {"pi", "π"},
}};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        // Control characters have no place in XML; file names may hold them.
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return out;
}

std::string typeset(std::string_view text) {
  std::string out;
  std::size_t plain = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const auto* symbol = kSymbols.begin();
    for (; symbol != kSymbols.end(); ++symbol) {
      if (!rest.starts_with(symbol->first)) continue;
      const std::size_t end = at + symbol->first.size();
      const bool starts = at == 0 || !is_word(text[at - 1]);
      const bool ends = end == text.size() || !is_word(symbol->first.back()) || !is_word(text[end]);
      if (starts && ends) break;
    }
    if (symbol == kSymbols.end()) {
      ++at;
      continue;
    }
    out += escaped(text.substr(plain, at - plain));
    out += symbol->second;
    at += symbol->first.size();
    plain = at;
  }
  return out + escaped(text.substr(plain));
}

std::string short_number(double value, int digits) {
  std::string text = format_rounded(value, digits);
  if (text.find('.') == std::string::npos || text.find('e') != std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string interval_text(const Estimate& estimate) {
  if (!estimate.value) return "–";
  const bool alone =
      (!estimate.low && !estimate.high) || (estimate.low && estimate.high && !(*estimate.high > *estimate.low));
  return alone ? short_number(*estimate.value) : format_estimate(estimate);
}

std::string element(std::string_view tag, std::string_view content, std::string_view kind) {
  std::string out = "<" + std::string(tag);
  if (!kind.empty()) out += " class=\"" + std::string(kind) + "\"";
  return out + ">" + std::string(content) + "</" + std::string(tag) + ">";
}

}  // namespace iclk::figures
