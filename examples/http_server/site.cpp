#include "site.h"

#include "response.h"

#include <fmt/format.h>

#include <utility>

namespace http {

namespace {

constexpr std::string_view chat_page = R"(<!doctype html>
<meta charset="utf-8">
<title>chat</title>
<form><input autofocus size="60"> <button>say</button></form>
<pre></pre>
<script>
new EventSource("/chat/events").onmessage = event => {
  document.querySelector("pre").append(event.data + "\n");
};
document.forms[0].onsubmit = event => {
  event.preventDefault();
  const input = document.querySelector("input");
  fetch("/chat", { method: "POST", body: input.value });
  input.value = "";
};
</script>
)";

content text_content(std::string_view text, std::string_view type = "text/plain; charset=utf-8") {
  content result;
  result.type = type;
  result.text = text;
  return result;
}

content not_allowed(std::string_view allow_header) {
  content result = error_content(405);
  result.extra = allow_header;
  return result;
}

bool reads(const request& asked) { return asked.method == method::get || asked.method == method::head; }

}  // namespace

content error_content(int status) {
  content result = text_content(fmt::format("{} {}\n", status, reason(status)));
  result.status = status;
  return result;
}

site::site(const std::optional<std::string>& folder) {
  if (folder) {
    files_.emplace(*folder);
  }
}

content site::respond(const request& asked, std::string_view body) const {
  if (asked.method == method::other) {
    return error_content(501);
  }
  if (asked.path == "/chat") {
    if (asked.method == method::post) {
      content said;
      said.status = 204;
      return room_.say(std::string(body)) ? std::move(said) : error_content(503);
    }
    return text_content(chat_page, "text/html; charset=utf-8");
  }
  if (!reads(asked)) {
    return not_allowed("Allow: GET, HEAD\r\n");
  }
  if (asked.path == "/chat/events") {
    return asked.method == method::get ? listen() : not_allowed("Allow: GET\r\n");
  }
  if (files_) {
    return respond_from_folder(asked.path);
  }
  return asked.path == "/" ? text_content("hello, world\n") : error_content(404);
}

content site::listen() const {
  std::optional<chat_member> member = room_.join();
  if (!member) {
    return error_content(503);
  }
  content result = text_content("", "text/event-stream");
  result.extra = "Cache-Control: no-store\r\n";
  result.more.emplace<chat_member>(std::move(*member));
  return result;
}

content site::respond_from_folder(const std::string& path) const {
  content result;
  open_file file;
  const int status = files_->open(path, file, result.text);
  if (status != 200) {
    return error_content(status);
  }
  result.type = file.type;
  result.more = std::move(file);
  return result;
}

}  // namespace http
