#pragma once
// SHA-256 on a value of ours, copied at will, is what OpenSSL 3 calls deprecated; it stays for as long as version 3 does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/crypto.h>
