#include "support/markup_check.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace iclk::test {
namespace {

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '-' || c == '_'; }

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Markup read() {
    if (rest().starts_with("<!DOCTYPE")) at_ = text_.find('>') + 1;
    while (result_.problem.empty() && at_ < text_.size()) step();
    if (result_.problem.empty() && !open_.empty()) fail("<" + open_.back() + "> is not closed");
    return std::move(result_);
  }

 private:
  std::string_view rest() const { return text_.substr(at_); }
  void fail(const std::string& problem) {
    const auto line =
        1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size())), '\n');
    result_.problem = "line " + std::to_string(line) + ": " + problem;
  }

  void step() {
    if (text_[at_] == '&') {
      const std::size_t end = text_.find_first_not_of("#abcdefghijklmnopqrstuvwxyz0123456789", at_ + 1);
      if (end == std::string_view::npos || text_[end] != ';' || end == at_ + 1) return fail("a stray &");
      at_ = end + 1;
    } else if (text_[at_] == '<') {
      rest().starts_with("</") ? close() : open();
    } else {
      ++at_;
    }
  }

  std::string name() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }

  void close() {
    at_ += 2;
    const std::string closed = name();
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != '>') return fail("</" + closed + " does not end");
    if (open_.empty() || open_.back() != closed) {
      return fail("</" + closed + "> closes " + (open_.empty() ? "nothing" : "<" + open_.back() + ">"));
    }
    open_.pop_back();
    ++at_;
  }

  void open() {
    ++at_;
    MarkupTag tag{.name = name(), .attributes = {}};
    if (tag.name.empty()) return fail("a stray <");
    for (skip_blanks(); at_ < text_.size() && is_name(text_[at_]); skip_blanks()) {
      const std::string key = name();
      skip_blanks();
      const bool assigned = rest().starts_with('=');
      if (assigned) ++at_;
      skip_blanks();
      if (!assigned || at_ >= text_.size() || (text_[at_] != '"' && text_[at_] != '\'')) {
        return fail("attribute " + key + " of <" + tag.name + "> has no quoted value");
      }
      const std::size_t start = at_ + 1, end = text_.find(text_[at_], start);
      if (end == std::string_view::npos) return fail("attribute " + key + " does not end");
      const std::string value(text_.substr(start, end - start));
      if (value.find('<') != std::string::npos) return fail("a < in attribute " + key);
      const auto known = [&](const auto& attribute) { return attribute.first == key; };
      if (std::any_of(tag.attributes.begin(), tag.attributes.end(), known)) return fail("attribute " + key + " twice");
      tag.attributes.emplace_back(key, value);
      at_ = end + 1;
    }
    const bool alone = rest().starts_with("/>");
    if (!alone && !rest().starts_with(">")) return fail("<" + tag.name + " does not end");
    at_ += alone ? 2 : 1;
    if (!alone && tag.name == "style") {
      at_ = std::min(text_.find("</style>", at_), text_.size());
    }
    if (!alone) open_.push_back(tag.name);
    result_.tags.push_back(std::move(tag));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::string> open_;
  Markup result_;
};

}  // namespace

std::string MarkupTag::attribute(std::string_view wanted) const {
  for (const auto& [key, value] : attributes) {
    if (key == wanted) return value;
  }
  return {};
}

Markup read_markup(std::string_view text) { return Reader(text).read(); }

}  // namespace iclk::test
