/* The floor's TLS, with OpenSSL: TLS 1.3, the cipher suite of `pushbench serve`, no session tickets, and a
 * certificate made when it starts. One SSL_write() per subscriber is one record and one write(). */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static SSL_CTX *tls_context;
static SSL *tls_of[65536];

static void tls_die(const char *what) {
    ERR_print_errors_fp(stderr);
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

/* A certificate for 127.0.0.1, which is also written to `path`. */
static void tls_start(const char *path) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    if (!key || !cert) tls_die("cannot make a certificate");
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 24 * 3600);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"floor", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    if (!X509_set_pubkey(cert, key) || !names || !X509_add_ext(cert, names, -1) || !X509_sign(cert, key, EVP_sha256()))
        tls_die("cannot sign a certificate");
    FILE *file = fopen(path, "w");
    if (!file || !PEM_write_X509(file, cert) || fclose(file)) tls_die(path);
    tls_context = SSL_CTX_new(TLS_server_method());
    if (!tls_context || !SSL_CTX_set_min_proto_version(tls_context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(tls_context, "TLS_AES_128_GCM_SHA256") ||
        !SSL_CTX_set_num_tickets(tls_context, 0) || !SSL_CTX_use_certificate(tls_context, cert) ||
        !SSL_CTX_use_PrivateKey(tls_context, key))
        tls_die("cannot set up TLS");
    SSL_CTX_set_mode(tls_context, SSL_MODE_RELEASE_BUFFERS);
}

static void tls_accept(int fd) {
    tls_of[fd] = SSL_new(tls_context);
    if (!tls_of[fd] || !SSL_set_fd(tls_of[fd], fd)) tls_die("out of memory");
    SSL_set_accept_state(tls_of[fd]);
}

static void tls_drop(int fd) {
    SSL_free(tls_of[fd]);
    tls_of[fd] = NULL;
}

/* As send() and recv(), which they are without TLS. */
static ssize_t tls_result(SSL *tls, int done) {
    if (done > 0) return done;
    int why = SSL_get_error(tls, done);
    if (why == SSL_ERROR_ZERO_RETURN) return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

static ssize_t out(int fd, const char *data, size_t len) {
    if (!tls_of[fd]) return send(fd, data, len, MSG_NOSIGNAL);
    return tls_result(tls_of[fd], SSL_write(tls_of[fd], data, (int)len));
}

static ssize_t in(int fd, char *data, size_t len) {
    if (!tls_of[fd]) return recv(fd, data, len, 0);
    return tls_result(tls_of[fd], SSL_read(tls_of[fd], data, (int)len));
}
