#include "iclk/core/error.hpp"

namespace iclk {
namespace {

std::string message(const Location& location, const std::string& problem) {
  std::string text = location.file;
  if (location.line) text += ':' + std::to_string(*location.line);
  if (!text.empty()) text += ": ";
  if (!location.field.empty()) text += location.field + ": ";
  return text + problem;
}

}  // namespace

Error::Error(Location location, const std::string& problem)
    : std::runtime_error(message(location, problem)), location_(std::move(location)), problem_(problem) {}

}  // namespace iclk
