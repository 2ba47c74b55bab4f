#include "services/notification/app/smtp.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>

#include "libs/status/error.h"

namespace broadbill::notification {
namespace {

struct Upload {
  const std::string* text;
  size_t at = 0;
};

size_t ReadUpload(char* out, size_t size, size_t count, void* closure) {
  auto* upload = static_cast<Upload*>(closure);
  const size_t n = std::min(size * count, upload->text->size() - upload->at);
  std::memcpy(out, upload->text->data() + upload->at, n);
  upload->at += n;
  return n;
}

// Keeps the server's last reply line.
size_t KeepReply(char* data, size_t size, size_t count, void* closure) {
  auto* reply = static_cast<std::string*>(closure);
  reply->assign(data, size * count);
  while (!reply->empty() && (reply->back() == '\r' || reply->back() == '\n')) reply->pop_back();
  return size * count;
}

}  // namespace

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

absl::Status SmtpSender::Send(const std::string& from, const std::string& to,
                              const std::string& mime) {
  CURL* curl = impl_->curl;
  if (curl == nullptr) return InternalError("SMTP_SETUP", "libcurl could not start");
  curl_easy_reset(curl);  // keeps the connection
  Upload upload{&mime, 0};
  std::string reply;
  const std::string sender = "<" + from + ">";
  const std::string recipient = "<" + to + ">";
  curl_slist* recipients = curl_slist_append(nullptr, recipient.c_str());
  curl_easy_setopt(curl, CURLOPT_URL, impl_->options.url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(impl_->options.timeout_seconds));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, sender.c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, ReadUpload);
  curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, KeepReply);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply);
  if (!impl_->options.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, impl_->options.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, impl_->options.password.c_str());
    curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_TRY));
  }
  const CURLcode result = curl_easy_perform(curl);
  long code = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
  curl_slist_free_all(recipients);
  if (result == CURLE_OK) return absl::OkStatus();
  std::string detail = curl_easy_strerror(result);
  if (!reply.empty()) detail += ": " + reply;
  if (code >= 500 && code < 600) return FailedPreconditionError("SMTP_REFUSED", detail);
  return UnavailableError("SMTP_TRANSIENT", detail);
}

}  // namespace broadbill::notification
