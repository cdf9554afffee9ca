package main

import (
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// The least widths a column, and one of sentences, is made to fit while others are wider.
const (
	minColumn   = 8
	minSentence = 20
)

// table writes rows under header (nil for none) in columns that fit the terminal; what is too long is wrapped. Every
// cell is cleaned here, so that no text from outside reaches the terminal as it is.
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
	for i, w := range fit(widths(header, rows), sentences(header), a.out.width()) {
		configs = append(configs, table.ColumnConfig{Number: i + 1, WidthMax: w, WidthMaxEnforcer: text.WrapSoft})
	}
	t.SetColumnConfigs(configs)
	var lines []string
	for line := range strings.Lines(t.Render() + "\n") {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	a.say("%s", strings.Join(lines, "\n"))
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

// sentences says which columns hold what reads as well wrapped; the others hold names, to be copied and searched for.
func sentences(header []string) []bool {
	out := make([]bool, len(header))
	for i, h := range header {
		out[i] = h == "WHY" || h == "MESSAGE"
	}
	return out
}

// fit takes from the widest column of sentences, then from the widest of all, until all fit into limit; 0 is no limit.
func fit(w []int, sentences []bool, limit int) []int {
	sum := -len(gap)
	for _, n := range w {
		sum += n + len(gap)
	}
	for ; limit > 0 && sum > limit; sum-- {
		widest := narrowable(w, func(i int) bool { return i < len(sentences) && sentences[i] && w[i] > minSentence })
		if widest < 0 {
			widest = narrowable(w, func(i int) bool { return w[i] > minColumn })
		}
		if widest < 0 {
			break
		}
		w[widest]--
	}
	return w
}

// narrowable is the widest column that may become narrower, -1 for none.
func narrowable(w []int, may func(i int) bool) int {
	widest := -1
	for i := range w {
		if may(i) && (widest < 0 || w[i] > w[widest]) {
			widest = i
		}
	}
	return widest
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
