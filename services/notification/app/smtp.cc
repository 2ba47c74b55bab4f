#include "services/notification/app/smtp.h"

#include <curl/curl.h>

#include <algorithm>

#include "libs/status/error.h"

namespace broadbill::notification {
namespace {

constexpr size_t kDetailMax = 500;

struct Upload {
  const std::string* text;
  size_t at = 0;
};

// What was said until QUIT: the last command's verb and the server's last reply line.
struct Dialogue {
  std::string verb;
  std::string reply;
  bool ended = false;
};

size_t ReadUpload(char* out, size_t size, size_t count, void* closure) {
  auto* upload = static_cast<Upload*>(closure);
  const size_t n = std::min(size * count, upload->text->size() - upload->at);
  upload->text->copy(out, n, upload->at);
  upload->at += n;
  return n;
}

// Follows the dialogue. Only verbs are kept: the lines of a login hold secrets.
int Follow(CURL*, curl_infotype type, char* data, size_t size, void* closure) {
  auto* dialogue = static_cast<Dialogue*>(closure);
  if (type == CURLINFO_HEADER_OUT) {
    const std::string verb(data, std::min<size_t>(size, 4));
    if (verb == "QUIT") dialogue->ended = true;
    for (const char* known : {"EHLO", "HELO", "STAR", "AUTH", "MAIL", "RCPT", "DATA"}) {
      if (verb == known) dialogue->verb = verb;
    }
  } else if (type == CURLINFO_HEADER_IN && !dialogue->ended) {
    dialogue->reply.assign(data, size);
  }
  return 0;
}

// Printable ASCII on one line, bounded: it is stored and shown.
std::string Tidy(const std::string& text) {
  std::string out;
  for (const char c : text.substr(0, kDetailMax)) {
    out += c >= 0x20 && c < 0x7f ? c : (c == '\r' || c == '\n' || c == '\t') ? ' ' : '?';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

bool IsLoopback(const std::string& url) {
  const size_t at = url.find("://");
  const std::string host = at == std::string::npos ? url : url.substr(at + 3);
  return host.rfind("127.", 0) == 0 || host.rfind("localhost", 0) == 0 ||
         host.rfind("[::1]", 0) == 0;
}

// A refusal before RCPT is about us (greeting, login, sender), unless it is about the message's
// size.
SmtpAnswer::Outcome OutcomeOf(const Dialogue& dialogue, CURLcode result, int code) {
  if (result == CURLE_OK) return SmtpAnswer::kTaken;
  const bool to_message = dialogue.verb == "RCPT" || dialogue.verb == "DATA";
  if (code == 421) return SmtpAnswer::kUnreachable;  // "closing", at any point
  if (dialogue.verb == "MAIL" && code == 552) return SmtpAnswer::kRefused;
  if (!to_message) return SmtpAnswer::kUnreachable;
  if (code >= 500 && code < 600) return SmtpAnswer::kRefused;
  return SmtpAnswer::kTryLater;
}

}  // namespace

absl::Status CheckSmtpUrl(const std::string& url) {
  if (url.find('@') != std::string::npos) {
    return InvalidField("smtp-url", "must not hold a login: it comes from the environment");
  }
  for (const std::string scheme : {"smtp://", "smtps://"}) {
    if (url.rfind(scheme, 0) == 0 && url.size() > scheme.size()) return absl::OkStatus();
  }
  return InvalidField("smtp-url", "must be like smtp://127.0.0.1:25 or smtps://mail.isp.example");
}

struct SmtpSender::Impl {
  SmtpOptions options;
  CURL* curl = nullptr;
};

SmtpSender::SmtpSender(SmtpOptions options) : impl_(std::make_unique<Impl>()) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)ready;
  impl_->options = std::move(options);
  impl_->curl = curl_easy_init();
}

SmtpSender::~SmtpSender() {
  if (impl_->curl != nullptr) curl_easy_cleanup(impl_->curl);
}

SmtpAnswer SmtpSender::Send(const std::string& from, const std::string& to,
                            const std::string& mime) {
  CURL* curl = impl_->curl;
  if (curl == nullptr) return {SmtpAnswer::kUnreachable, 0, "libcurl could not start"};
  const SmtpOptions& options = impl_->options;
  curl_easy_reset(curl);  // keeps the connection
  Upload upload{&mime, 0};
  Dialogue dialogue;
  char error[CURL_ERROR_SIZE] = {};
  const std::string sender = "<" + from + ">";
  curl_slist* recipients = curl_slist_append(nullptr, ("<" + to + ">").c_str());
  curl_easy_setopt(curl, CURLOPT_URL, options.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(options.timeout_seconds));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, sender.c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(mime.size()));
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, ReadUpload);
  curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);  // for Follow, which prints nothing
  curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, Follow);
  curl_easy_setopt(curl, CURLOPT_DEBUGDATA, &dialogue);
  if (!options.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, options.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, options.password.c_str());
    const long tls = IsLoopback(options.url) ? CURLUSESSL_TRY : CURLUSESSL_ALL;
    curl_easy_setopt(curl, CURLOPT_USE_SSL, tls);
  }
  const CURLcode result = curl_easy_perform(curl);
  long code = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
  curl_slist_free_all(recipients);
  // The code of an answer that ended the dialogue; a connection that broke left an older one
  // behind.
  const bool answered = result == CURLE_OK || (code >= 400 && code < 600);
  SmtpAnswer answer;
  answer.code = answered ? static_cast<int>(code) : 0;
  answer.outcome = OutcomeOf(dialogue, result, answer.code);
  if (answered) {
    answer.detail = Tidy(dialogue.reply);
  } else {
    answer.detail = Tidy(error[0] != '\0' ? error : curl_easy_strerror(result));
  }
  return answer;
}

}  // namespace broadbill::notification
