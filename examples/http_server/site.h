// What the server has to say: which answer belongs to which request. Nothing here knows how it is sent.

#pragma once

#include "chat.h"
#include "files.h"
#include "request.h"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace http {

struct content {
  int status = 200;
  std::string_view type = "text/plain; charset=utf-8";
  std::string_view extra = {};  // complete header lines
  // The whole body; or the first piece of a file, which follows; or somebody who listens to the chat.
  std::string text;
  std::variant<std::monostate, open_file, chat_member> more;
};

// The text of an error, for people.
content error_content(int status);

class site {
 public:
  // With a folder, its files are served; without, / is a short text. Starts the chat room. Throws std::system_error.
  explicit site(const std::optional<std::string>& folder);

  content respond(const request& asked, std::string_view body) const;
  // Ends what has no end of its own: the chat.
  void close() const { room_.close(); }

 private:
  content respond_from_folder(const std::string& path) const;
  content listen() const;

  std::optional<folder> files_;
  chat_room room_;
};

}  // namespace http
