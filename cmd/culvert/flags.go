package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// once is a flag of one value: given twice, it would silently mean the last.
type once struct {
	pflag.Value
	given bool
}

var errTwice = errors.New("is given twice")

// Set sets the flag the first time.
func (o *once) Set(s string) error {
	if o.given {
		return errTwice
	}
	o.given = true
	return o.Value.Set(s)
}

// onlyOnce makes every flag of cmd and the commands below it, of those that hold one value, one that is given once. The
// persistent ones are not among them: an alias may hold them already.
func onlyOnce(cmd *cobra.Command) {
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if many := strings.HasSuffix(f.Value.Type(), "Array") || f.Value.Type() == mappingType; !many {
			f.Value = &once{Value: f.Value}
		}
	})
	for _, c := range cmd.Commands() {
		onlyOnce(c)
	}
}

// badFlag says in plain words what the flag parser has against a command line.
func badFlag(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help shows the flags"
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return usage(err.Error(), hint)
	}
	flag, cause := "--"+invalid.GetFlag().Name, invalid.Unwrap()
	if errors.Is(cause, errTwice) {
		return usage(flag+" is given twice", "give it once")
	}
	value := strconv.Quote(tunnel.Clean(invalid.GetValue(), 80))
	if invalid.GetFlag().Value.Type() == "bool" {
		return usage(flag+": "+value+" is neither true nor false", "give "+flag+" alone, or leave it out")
	}
	var bad *badValue
	if errors.As(cause, &bad) {
		return usage(flag+": "+value+" "+bad.message, bad.hint)
	}
	return usage(flag+": "+value+" cannot be read", hint)
}

// badValue is what a flag of our own has against its value.
type badValue struct{ message, hint string }

func (b *badValue) Error() string { return b.message }

// revision is --if-revision: nil where it is not given.
type revision struct{ n uint64 }

var _ pflag.Value = (*revision)(nil)

func (r *revision) register(cmd *cobra.Command, what string) {
	cmd.Flags().Var(r, "if-revision", "only if the "+what+" still has this revision")
}

func (r *revision) String() string { return "" }
func (r *revision) Type() string   { return "N" }

// Set takes digits only, and no 0: that is no revision.
func (r *revision) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || s[0] == '+' {
		return &badValue{"is no revision", "give the number that show -o json tells, from 1"}
	}
	r.n = n
	return nil
}

// longestWait is more than anybody waits for a tunnel: what asks for longer is a slip.
const longestWait = 24 * time.Hour

// Set takes a length of time, not below zero.
func (f *waitFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return &badValue{"is no time to wait", "give it like --wait=5s or --wait=1m30s; --wait=0 does not wait"}
	}
	if d > longestWait {
		return &badValue{"is too long", "wait 24h at most"}
	}
	f.d = d
	return nil
}

func (f *waitFlag) String() string { return f.d.String() }
func (f *waitFlag) Type() string   { return "duration" }

// strayWait is the hint for an argument too many that was meant for --wait, "" where none was.
func strayWait(cmd *cobra.Command, args []string) string {
	if f := cmd.Flags().Lookup("wait"); f == nil || !f.Changed {
		return ""
	}
	for _, arg := range args {
		if _, err := time.ParseDuration(arg); err == nil {
			return "write --wait=" + tunnel.Clean(arg, 40)
		}
	}
	return ""
}

// paths are the flags whose value names a file, which may have any name.
var paths = []string{"socket", "sdk", "key", "password-file", "via-password-file", "file"}

// checkText refuses arguments and flags that are not UTF-8: on their way they would become other ones.
func checkText(cmd *cobra.Command, args []string) error {
	var fs tunnel.Findings
	add := func(field, value string) {
		if !utf8.ValidString(value) {
			fs = append(fs, notUTF8(field))
		}
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(paths, f.Name) {
			add("--"+f.Name, f.Value.String())
		}
	})
	for _, arg := range args {
		key, _, _ := strings.Cut(arg, "=") // the value may be a secret
		add(tunnel.Clean(key, 80), arg)
	}
	return fs.Err()
}

func notUTF8(field string) tunnel.Finding {
	return tunnel.Finding{Code: tunnel.Malformed, Field: field, Message: "the bytes are not UTF-8", WayOut: "write it as UTF-8; iconv -t UTF-8 converts"}
}
