/*
 * hvmem-canvas.c: draws lines and text, into SVG or PNG
 *
 * cairo's own SVG has outlines instead of text, which nobody can search or copy.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-canvas.h"
#include "hvmem-util.h"

#include <cairo.h>
#include <math.h>

#define PIXELS 2.0              /* of PNG, for one unit; fewer if it would be too high */
#define MOST 32767              /* cairo has no picture with more of them in a row or a column */

struct _hvmemCanvas {
    cairo_surface_t *surface;
    cairo_t *cr;                /* of SVG, it measures texts */
    GString *svg;               /* NULL: PNG */
};


hvmemCanvas *
hvmemCanvasNew(bool svg,
               double width,
               double height,
               GError **error)
{
    double pixels = svg ? 0 : MIN(PIXELS, (MOST - 1) / MAX(width, height));
    hvmemCanvas *canvas;

    if (!svg && pixels < 1) {
        hvmemFail(error, "this is too much for a PNG picture: it would be %.0f pixels high, and %d are possible", height, MOST);
        hvmemErrorHint(error, "Use -o FILE.svg.");
        return NULL;
    }

    canvas = g_new0(hvmemCanvas, 1);
    canvas->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, ceil(width * pixels) + 1, ceil(height * pixels) + 1);
    canvas->cr = cairo_create(canvas->surface);
    cairo_select_font_face(canvas->cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    if (!svg) {
        cairo_scale(canvas->cr, pixels, pixels);
        cairo_set_source_rgb(canvas->cr, 1, 1, 1);
        cairo_paint(canvas->cr);
        return canvas;
    }

    canvas->svg = g_string_new(NULL);
    g_string_append_printf(canvas->svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
                           "font-family=\"sans-serif\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n", width, height, width, height);
    return canvas;
}


void
hvmemCanvasFree(hvmemCanvas *canvas)
{
    if (!canvas)
        return;

    cairo_destroy(canvas->cr);
    cairo_surface_destroy(canvas->surface);
    if (canvas->svg)
        g_string_free(canvas->svg, TRUE);
    g_free(canvas);
}


static void
use(hvmemCanvas *canvas,
    guint32 colour)
{
    cairo_set_source_rgb(canvas->cr, (colour >> 16 & 255) / 255.0, (colour >> 8 & 255) / 255.0, (colour & 255) / 255.0);
}


static void
appendPoints(hvmemCanvas *canvas,
             const hvmemPoint *points,
             size_t n)
{
    size_t i;

    g_string_append(canvas->svg, " points=\"");
    for (i = 0; i < n; i++)
        g_string_append_printf(canvas->svg, "%s%.2f,%.2f", i ? " " : "", points[i].x, points[i].y);
    g_string_append(canvas->svg, "\"/>\n");
}


static void
trace(hvmemCanvas *canvas,
      const hvmemPoint *points,
      size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        (i ? cairo_line_to : cairo_move_to)(canvas->cr, points[i].x, points[i].y);
}


void
hvmemCanvasLine(hvmemCanvas *canvas,
                const hvmemPen *pen,
                const hvmemPoint *points,
                size_t n)
{
    if (canvas->svg) {
        g_string_append_printf(canvas->svg, "<polyline fill=\"none\" stroke=\"#%06x\" stroke-width=\"%g\"", pen->colour, pen->width);
        if (pen->dash > 0)
            g_string_append_printf(canvas->svg, " stroke-dasharray=\"%g\"", pen->dash);
        appendPoints(canvas, points, n);
        return;
    }

    trace(canvas, points, n);
    use(canvas, pen->colour);
    cairo_set_line_width(canvas->cr, pen->width);
    cairo_set_dash(canvas->cr, &pen->dash, pen->dash > 0, 0);
    cairo_stroke(canvas->cr);
}


void
hvmemCanvasFill(hvmemCanvas *canvas,
                guint32 colour,
                const hvmemPoint *points,
                size_t n)
{
    if (canvas->svg) {
        g_string_append_printf(canvas->svg, "<polygon fill=\"#%06x\"", colour);
        appendPoints(canvas, points, n);
        return;
    }

    trace(canvas, points, n);
    cairo_close_path(canvas->cr);
    use(canvas, colour);
    cairo_fill(canvas->cr);
}


void
hvmemCanvasDot(hvmemCanvas *canvas,
               guint32 colour,
               double x,
               double y,
               double radius)
{
    if (canvas->svg) {
        g_string_append_printf(canvas->svg, "<circle fill=\"#%06x\" cx=\"%.2f\" cy=\"%.2f\" r=\"%g\"/>\n", colour, x, y, radius);
        return;
    }

    cairo_new_sub_path(canvas->cr);
    cairo_arc(canvas->cr, x, y, radius, 0, 2 * M_PI);
    use(canvas, colour);
    cairo_fill(canvas->cr);
}


double
hvmemCanvasTextWidth(hvmemCanvas *canvas,
                     double size,
                     const char *words)
{
    cairo_text_extents_t extents;

    cairo_set_font_size(canvas->cr, size);
    cairo_text_extents(canvas->cr, words, &extents);
    return extents.x_advance;
}


void
hvmemCanvasText(hvmemCanvas *canvas,
                const hvmemFont *font,
                double x,
                double y,
                const char *text)
{
    static const char *const anchors[] = { "start", "middle", "end" };
    /* XML and cairo refuse what is not UTF-8, and XML has no control characters */
    g_autofree char *words = hvmemPrintable(text);

    if (canvas->svg) {
        g_autofree char *escaped = g_markup_escape_text(words, -1);

        g_string_append_printf(canvas->svg, "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%g\" text-anchor=\"%s\" fill=\"#%06x\">%s</text>\n",
                               x, y, font->size, anchors[font->align], font->colour, escaped);
        return;
    }

    use(canvas, font->colour);
    cairo_move_to(canvas->cr, x - hvmemCanvasTextWidth(canvas, font->size, words) * font->align / 2.0, y);
    cairo_show_text(canvas->cr, words);
}


static cairo_status_t
appendBytes(void *picture,
            const unsigned char *data,
            unsigned int length)
{
    g_string_append_len(picture, (const char *)data, length);
    return CAIRO_STATUS_SUCCESS;
}


bool
hvmemCanvasWrite(hvmemCanvas *canvas,
                 const char *path,
                 GError **error)
{
    g_autoptr(GString) png = g_string_new(NULL);
    GString *picture = canvas->svg ? canvas->svg : png;
    cairo_status_t status;

    if (canvas->svg) {
        g_string_append(canvas->svg, "</svg>\n");
    } else {
        /* Not to the file itself: cairo does not say why it could not be written, and leaves half a picture */
        status = cairo_surface_write_to_png_stream(canvas->surface, appendBytes, png);
        if (status != CAIRO_STATUS_SUCCESS)
            return hvmemFail(error, "cannot draw '%s': %s", path, cairo_status_to_string(status));
    }
    return hvmemWriteFile(path, picture->str, picture->len, error);
}
