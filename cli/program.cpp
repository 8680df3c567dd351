#include "program.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cctype>
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "output.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

struct VerbEntry {
  const char* name;  // "fit power": the verb `power` of the group `fit`
  Action (*declare)(VerbOptions&);
};

constexpr VerbEntry kVerbs[] = {
    // A step of the chain on each line, in the order of the help.
    {"train", declare_train},
    {"measure", declare_measure},
    {"predict", declare_predict},
    {"acquire", declare_acquire},
    {"flow", declare_flow},
    {"landscape", declare_landscape},
    {"ensemble", declare_ensemble},
    {"transience", declare_transience},
    {"loss-relation", declare_loss_relation},
    {"simulate", declare_simulate},
    {"sweep run", declare_sweep_run},
    {"sweep status", declare_sweep_status},
    {"sweep collect", declare_sweep_collect},
    {"fit acquisition", declare_fit_acquisition},
    {"fit bimodality", declare_fit_bimodality},
    {"fit power", declare_fit_power},
    {"fit threshold", declare_fit_threshold},
    {"figure", declare_figure},
    {"report", declare_report},
    {"info", declare_info},
};

constexpr const char* kPurpose =
    "Kinetics of in-context learning: from measured memorization curves to the acquisition time t_ICL and the "
    "smallest number of items K* at which a transformer learns in context.";

struct DeclaredVerb {
  CLI::App* app = nullptr;
  std::unique_ptr<VerbOptions> options;
  Action run;
};

/// The program's command line: every verb declared on one CLI11 parser.
class CommandLine {
 public:
  CommandLine() : app_(kPurpose, "iclk") {
    app_.allow_extras();
    app_.set_version_flag("--version", "iclk " + std::string(version()));
    for (const VerbEntry& entry : kVerbs) declare(entry);
    help_markdown_ = app_.add_subcommand("help-markdown", "");
  }

  Exit run(int argc, const char* const* argv) {
    try {
      app_.parse(argc, const_cast<char**>(argv));  // CLI11 2.1 and 2.4 differ in const; neither writes to argv
    } catch (const CLI::CallForHelp&) {
      write_output("-", help());
      return Exit::answered;
    } catch (const CLI::CallForVersion&) {
      write_output("-", "iclk " + std::string(version()) + '\n');
      return Exit::answered;
    } catch (const CLI::ParseError& error) {
      throw Error(one_line(error));
    }
    if (help_markdown_->parsed()) {
      write_output("-", markdown());
      return Exit::answered;
    }
    for (const DeclaredVerb& verb : verbs_) {
      if (!verb.app->parsed()) continue;
      refuse_extras(verb.app->remaining(), verb.options->name(), verb.options->option_names());
      return verb.run();
    }
    for (const auto& [name, group] : groups_) {
      if (!group->parsed()) continue;
      refuse_extras(group->remaining(), name, {"--help"}, verbs_of(name));
      throw field_error("iclk " + name, "a verb is missing: " + joined(verbs_of(name)));
    }
    refuse_extras(app_.remaining(), "", {"--help", "--version"}, verbs_of(""));
    throw field_error("iclk", "a verb is missing: " + joined(verbs_of("")) + "; iclk --help explains them");
  }

 private:
  void declare(const VerbEntry& entry) {
    const std::string name = entry.name;
    const std::size_t blank = name.find(' ');
    CLI::App* parent = &app_;
    if (blank != std::string::npos) {
      CLI::App*& group = groups_[name.substr(0, blank)];
      if (group == nullptr) {
        group = app_.add_subcommand(name.substr(0, blank), "");
        group->allow_extras();
      }
      parent = group;
    }
    DeclaredVerb verb;
    verb.app = parent->add_subcommand(blank == std::string::npos ? name : name.substr(blank + 1), "");
    verb.app->allow_extras();
    verb.options = std::make_unique<VerbOptions>(*verb.app, name);
    verb.run = entry.declare(*verb.options);
    verbs_.push_back(std::move(verb));
  }

  /// Verbs at the top (group "") or inside a group, as they are typed there.
  std::vector<std::string> verbs_of(const std::string& group) const {
    std::vector<std::string> names;
    for (const VerbEntry& entry : kVerbs) {
      const std::string name = entry.name;
      const std::size_t blank = name.find(' ');
      const std::string here = blank == std::string::npos ? "" : name.substr(0, blank);
      if (here == group) names.push_back(blank == std::string::npos ? name : name.substr(blank + 1));
      if (group.empty() && !here.empty() && std::find(names.begin(), names.end(), here) == names.end()) {
        names.push_back(here);
      }
    }
    return names;
  }

  static std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

  /// Throws Error about the first word that no option or argument took.
  static void refuse_extras(const std::vector<std::string>& extras, const std::string& verb,
                            const std::vector<std::string>& options, const std::vector<std::string>& verbs = {}) {
    if (extras.empty()) return;
    std::string word = extras.front();
    const bool is_option = word.size() > 1 && word[0] == '-' && std::isdigit(static_cast<unsigned char>(word[1])) == 0;
    if (is_option) word = word.substr(0, word.find('='));
    const std::string meant = likely_meant(word, is_option ? options : verbs);
    const std::string command = verb.empty() ? "iclk" : "iclk " + verb;
    std::string problem = is_option       ? "unknown option of " + command
                          : verbs.empty() ? command + " does not take this argument"
                                          : "unknown verb of " + command;
    if (!meant.empty())
      problem += "; did you mean \"" + meant + "\"?";
    else
      problem += is_option || !verbs.empty() ? "; " + command + " --help lists them"
                                             : "; " + command + " --help explains its use";
    throw field_error(word, problem);
  }

  /// CLI11's own complaints, in the form `--option: problem`.
  static std::string one_line(const CLI::ParseError& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    const std::size_t colon = text.find(": ");
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && colon != std::string::npos) {
      const std::string option = text.substr(0, colon);
      return option +
             (text.find("missing", colon) != std::string::npos ? ": a value is missing" : ": given more than once");
    }
    return text;
  }

  std::string help() const {
    for (const DeclaredVerb& verb : verbs_) {
      if (verb.app->parsed()) return verb.options->help();
    }
    std::string only_group;
    for (const auto& [name, group] : groups_) {
      if (group->parsed()) only_group = name;
    }
    std::string text = only_group.empty()
                           ? std::string("usage: iclk VERB [options]\n\n") + wrapped(kPurpose, 0) + "\n\n"
                           : "usage: iclk " + only_group + " VERB [options]\n\n";
    PrintedTable table({}, "l");
    for (const DeclaredVerb& verb : verbs_) {
      if (!only_group.empty() && !verb.options->name().starts_with(only_group + ' ')) continue;
      table.add_row({verb.options->name(), verb.options->summary()});
    }
    text += table.str();
    return text +
           "\niclk VERB --help explains a verb, iclk --version prints the version.\n"
           "Exit status: 0 answered, 1 ran without an answer, 2 bad input or usage, 3 a fault of ours.\n";
  }

  std::string markdown() const {
    std::string text =
        "# The program `iclk`\n\nGenerated by `iclk help-markdown` from the help of the verbs.\n\n" +
        wrapped(kPurpose, 0) +
        "\n\nEvery verb prints a readable table; `--json FILE` and `--csv FILE` write the same answer for programs "
        "(`-` "
        "is standard\noutput, and then nothing else is printed there). Times are gradient-flow time, learning rate x "
        "iteration; names ending in\n`_iterations` count SGD steps. Exit status: 0 answered, 1 ran without an answer, "
        "2 "
        "bad input or usage (one line on standard\nerror), 3 a fault of ours.\n";
    for (const DeclaredVerb& verb : verbs_) text += '\n' + verb.options->help_markdown();
    return text;
  }

  CLI::App app_;
  std::map<std::string, CLI::App*> groups_;
  std::vector<DeclaredVerb> verbs_;
  CLI::App* help_markdown_ = nullptr;
};

int fail(Exit status, std::string line) {
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::cerr << line << '\n';
  return static_cast<int>(status);
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  try {
    CommandLine command_line;
    return static_cast<int>(command_line.run(argc, argv));
  } catch (const Error& error) {
    return fail(Exit::bad_input, error.what());
  } catch (const std::bad_alloc&) {
    return fail(Exit::our_fault, "iclk: out of memory");
  } catch (const std::exception& error) {
    return fail(Exit::our_fault, std::string("iclk: internal fault, please report it: ") + error.what());
  }
}

}  // namespace iclk::cli
