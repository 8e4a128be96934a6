/*
 * hvmem-error.c: what went wrong, what kind of failure that is, and what to do about it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-error.h"

typedef struct _hvmemErrorPrivate hvmemErrorPrivate;
struct _hvmemErrorPrivate {
    char *hint;
    char *cause;
    char *domain;
    guint64 requested;
    guint64 limit;
    bool printed;
};


static void
hvmem_error_private_init(hvmemErrorPrivate *priv G_GNUC_UNUSED)
{
}


static void
hvmem_error_private_copy(const hvmemErrorPrivate *from,
                         hvmemErrorPrivate *to)
{
    to->hint = g_strdup(from->hint);
    to->cause = g_strdup(from->cause);
    to->domain = g_strdup(from->domain);
    to->requested = from->requested;
    to->limit = from->limit;
    to->printed = from->printed;
}


static void
hvmem_error_private_clear(hvmemErrorPrivate *priv)
{
    g_free(priv->hint);
    g_free(priv->cause);
    g_free(priv->domain);
}


G_DEFINE_EXTENDED_ERROR(hvmemError, hvmem_error)


/* NULL for an error of somebody else. */
static hvmemErrorPrivate *
privateOf(const GError *error)
{
    return error && error->domain == HVMEM_ERROR ? hvmem_error_get_private(error) : NULL;
}


/*
 * Making
 */

static bool G_GNUC_PRINTF(3, 0)
fail(GError **error,
     int status,
     const char *format,
     va_list args)
{
    g_autofree char *text = g_strdup_vprintf(format, args);

    g_set_error_literal(error, HVMEM_ERROR, status, text);
    return false;
}


#define FAIL(status) \
    do { \
        va_list args; \
        va_start(args, format); \
        fail(error, status, format, args); \
        va_end(args); \
        return false; \
    } while (0)


bool
hvmemFail(GError **error,
          const char *format,
          ...)
{
    FAIL(HVMEM_EXIT_FAILED);
}


bool
hvmemFailAs(GError **error,
            int status,
            const char *format,
            ...)
{
    FAIL(status);
}


bool
hvmemFailUsage(GError **error,
               const char *format,
               ...)
{
    FAIL(HVMEM_EXIT_USAGE);
}


bool
hvmemFailRefused(GError **error,
                 const char *format,
                 ...)
{
    FAIL(HVMEM_EXIT_REFUSED);
}


bool
hvmemFailSilently(GError **error,
                  int status)
{
    g_set_error_literal(error, HVMEM_ERROR, status, "");
    return false;
}


/*
 * Adding
 */

/* Replaces *@field of @error by @value, which it takes. */
#define SET(field, value) \
    do { \
        hvmemErrorPrivate *priv = error ? privateOf(*error) : NULL; \
        g_autofree char *taken = value; \
        if (priv) { \
            g_free(priv->field); \
            priv->field = g_steal_pointer(&taken); \
        } \
        return false; \
    } while (0)


bool
hvmemErrorHint(GError **error,
               const char *format,
               ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    SET(hint, g_steal_pointer(&text));
}


bool
hvmemErrorCause(GError **error,
                const char *cause)
{
    SET(cause, g_strdup(cause));
}


bool
hvmemErrorDomain(GError **error,
                 const char *name)
{
    SET(domain, g_strdup(name));
}


bool
hvmemErrorSizes(GError **error,
                guint64 requested,
                guint64 limit)
{
    hvmemErrorPrivate *priv = error ? privateOf(*error) : NULL;

    if (priv) {
        priv->requested = requested;
        priv->limit = limit;
    }
    return false;
}


bool
hvmemErrorPrinted(GError **error)
{
    hvmemErrorPrivate *priv = error ? privateOf(*error) : NULL;

    if (priv)
        priv->printed = true;
    return false;
}


/*
 * Reading
 */

bool
hvmemErrorIsPrinted(const GError *error)
{
    return privateOf(error) && privateOf(error)->printed;
}


const char *
hvmemErrorGetHint(const GError *error)
{
    return privateOf(error) ? privateOf(error)->hint : NULL;
}


const char *
hvmemErrorGetCause(const GError *error)
{
    return privateOf(error) ? privateOf(error)->cause : NULL;
}


const char *
hvmemErrorGetDomain(const GError *error)
{
    return privateOf(error) ? privateOf(error)->domain : NULL;
}


guint64
hvmemErrorGetRequested(const GError *error)
{
    return privateOf(error) ? privateOf(error)->requested : 0;
}


guint64
hvmemErrorGetLimit(const GError *error)
{
    return privateOf(error) ? privateOf(error)->limit : 0;
}


int
hvmemErrorStatus(const GError *error)
{
    return error && error->domain == HVMEM_ERROR ? error->code : HVMEM_EXIT_FAILED;
}


const char *
hvmemExitName(int status)
{
    switch (status) {
    case HVMEM_EXIT_USAGE:
        return "usage";
    case HVMEM_EXIT_CONNECTION:
        return "connection";
    case HVMEM_EXIT_REFUSED:
        return "refused";
    case HVMEM_EXIT_NOT_REACHED:
        return "not_reached";
    default:
        return status > HVMEM_EXIT_SIGNAL ? "interrupted" : "failed";
    }
}


char *
hvmemErrorFormat(const GError *error)
{
    const char *cause = hvmemErrorGetCause(error);
    const char *hint = hvmemErrorGetHint(error);

    return g_strdup_printf("error: %s\n%s%s%s%s%s%s", error->message, cause ? "error: " : "", cause ? cause : "", cause ? "\n" : "",
                           hint ? "hint: " : "", hint ? hint : "", hint ? "\n" : "");
}
