#pragma once
#include <curl/curl.h>
#include <stdint.h>

// curl_easy_setopt and friends are variadic macros: Swift cannot call them. One typed wrapper per argument type.
// <https://curl.se/libcurl/c/curl_easy_setopt.html>
static inline CURLcode holdfast_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode holdfast_curl_set_off(CURL *handle, CURLoption option, int64_t value) {
    return curl_easy_setopt(handle, option, (curl_off_t)value);
}
static inline CURLcode holdfast_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode holdfast_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode holdfast_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}
// Since 7.87.0; what an older libcurl does is not ours to choose. <https://curl.se/libcurl/c/CURLOPT_QUICK_EXIT.html>
static inline CURLcode holdfast_curl_set_quick_exit(CURL *handle) {
#if LIBCURL_VERSION_NUM >= 0x075700
    return curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
#else
    (void)handle;
    return CURLE_OK;
#endif
}
typedef size_t (*holdfast_curl_write)(char *bytes, size_t size, size_t count, void *context);
static inline CURLcode holdfast_curl_set_write(CURL *handle, CURLoption option, holdfast_curl_write function) {
    return curl_easy_setopt(handle, option, function);
}
typedef int (*holdfast_curl_seek)(void *context, curl_off_t offset, int origin);
static inline CURLcode holdfast_curl_set_seek(CURL *handle, holdfast_curl_seek function) {
    return curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, function);
}
static inline CURLcode holdfast_curl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}
static inline CURLcode holdfast_curl_get_off(CURL *handle, CURLINFO info, int64_t *value) {
    curl_off_t raw = 0;
    CURLcode code = curl_easy_getinfo(handle, info, &raw);
    *value = (int64_t)raw;
    return code;
}
static inline CURLcode holdfast_curl_get_pointer(CURL *handle, CURLINFO info, void **value) {
    return curl_easy_getinfo(handle, info, value);
}
static inline CURLMcode holdfast_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}
// CURLMsg keeps its result in a union, which Swift imports awkwardly.
static inline CURLcode holdfast_curl_message_result(const CURLMsg *message) { return message->data.result; }
// Macros with a cast in them are not imported.
static const long holdfast_curl_auth_basic = (long)CURLAUTH_BASIC;
static const long holdfast_curl_auth_bearer = (long)CURLAUTH_BEARER;
