#pragma once
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

// rd_kafka_producev takes its arguments by tags: Swift cannot call it. A header without a value is left out.
// <https://docs.confluent.io/platform/current/clients/librdkafka/html/rdkafka_8h.html>
static inline rd_kafka_resp_err_t holdfast_kafka_produce(
    rd_kafka_t *producer, const char *topic, const void *key, size_t key_bytes, const void *body, size_t body_bytes,
    const char *id, const char *tenant, const char *type, void *attempt) {
    return rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, key_bytes),
        RD_KAFKA_V_VALUE((void *)body, body_bytes), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_HEADER("holdfast-id", id, -1), RD_KAFKA_V_HEADER("holdfast-tenant", tenant, -1),
        RD_KAFKA_V_HEADER("content-type", type, -1), RD_KAFKA_V_OPAQUE(attempt), RD_KAFKA_V_END);
}
