package main

import (
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// minColumn is the least width a column is made to fit.
const minColumn = 8

// table writes rows under header (nil for none) in columns that fit the width; what is too long is wrapped. Every cell
// is cleaned here, so that no text from outside reaches the terminal as it is.
func (a *app) table(header []string, rows [][]string) {
	t := table.NewWriter()
	t.SetStyle(plainStyle())
	if header != nil {
		t.AppendHeader(cells(header))
	}
	for _, r := range rows {
		t.AppendRow(cells(r))
	}
	var configs []table.ColumnConfig
	for i, w := range fit(widths(header, rows), a.width()) {
		configs = append(configs, table.ColumnConfig{Number: i + 1, WidthMax: w, WidthMaxEnforcer: text.WrapSoft})
	}
	t.SetColumnConfigs(configs)
	for line := range strings.Lines(t.Render() + "\n") {
		a.say("%s", strings.TrimRight(line, " \n"))
	}
}

// plainStyle has no lines, so that output is easy to cut and paste.
func plainStyle() table.Style {
	s := table.StyleDefault
	s.Options = table.OptionsNoBordersAndSeparators
	s.Box.PaddingLeft, s.Box.PaddingRight = "", gap
	s.Format.Header = text.FormatDefault
	return s
}

// gap stands between columns.
const gap = "  "

func cells(r []string) table.Row {
	row := make(table.Row, len(r))
	for i, c := range r {
		row[i] = clean(c)
	}
	return row
}

// widths are the widths of the columns if nothing is wrapped.
func widths(header []string, rows [][]string) []int {
	var w []int
	for _, r := range append([][]string{header}, rows...) {
		for i, c := range r {
			if i == len(w) {
				w = append(w, 0)
			}
			w[i] = max(w[i], text.StringWidth(clean(c)))
		}
	}
	return w
}

// fit takes from the widest column until all fit into limit.
func fit(w []int, limit int) []int {
	sum := -len(gap)
	for _, n := range w {
		sum += n + len(gap)
	}
	for ; sum > limit; sum-- {
		widest := 0
		for i := range w {
			if w[i] > w[widest] {
				widest = i
			}
		}
		if w[widest] <= minColumn {
			break
		}
		w[widest]--
	}
	return w
}

// when is a time in the caller's zone, - where there is none.
func (a *app) when(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.In(a.zone).Format("2006-01-02 15:04:05")
}

// orDash is - for nothing.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// deref is "" for null.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
