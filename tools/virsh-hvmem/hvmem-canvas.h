/*
 * hvmem-canvas.h: draws lines and text, into SVG or PNG
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct _hvmemCanvas hvmemCanvas;

typedef struct _hvmemPoint hvmemPoint;
struct _hvmemPoint {
    double x;
    double y;
};

typedef struct _hvmemPen hvmemPen;
struct _hvmemPen {
    guint32 colour;             /* 0xrrggbb */
    double width;
    double dash;                /* 0: solid */
};

typedef enum {
    HVMEM_TEXT_LEFT,            /* begins at the point */
    HVMEM_TEXT_MIDDLE,
    HVMEM_TEXT_RIGHT,           /* ends there */
} hvmemTextAlign;

typedef struct _hvmemFont hvmemFont;
struct _hvmemFont {
    guint32 colour;
    double size;
    hvmemTextAlign align;
};

hvmemCanvas *
hvmemCanvasNew(bool svg,
               double width,
               double height,
               GError **error);

void
hvmemCanvasFree(hvmemCanvas *canvas);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemCanvas, hvmemCanvasFree);

/* Through @n points. */
void
hvmemCanvasLine(hvmemCanvas *canvas,
                const hvmemPen *pen,
                const hvmemPoint *points,
                size_t n);

void
hvmemCanvasFill(hvmemCanvas *canvas,
                guint32 colour,
                const hvmemPoint *points,
                size_t n);

void
hvmemCanvasDot(hvmemCanvas *canvas,
               guint32 colour,
               double x,
               double y,
               double radius);

/* @y: of the base line. In SVG it stays text. */
void
hvmemCanvasText(hvmemCanvas *canvas,
                const hvmemFont *font,
                double x,
                double y,
                const char *words);

double
hvmemCanvasTextWidth(hvmemCanvas *canvas,
                     double size,
                     const char *words);

bool
hvmemCanvasWrite(hvmemCanvas *canvas,
                 const char *path,
                 GError **error);
