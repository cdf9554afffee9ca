package settings

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Duration is a span of time in settings, written like "90s" or "1h30m": as time.ParseDuration reads it. Its tags min, max
// and default are written so, too; without a min it is not below zero.
type Duration time.Duration

// D is d for whoever waits.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is how a person would write d: "1h", not "1h0m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what String writes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// SettingsMark makes a Duration one in the settings' schema.
func (Duration) SettingsMark() Mark { return Span }

// newDuration keeps its limits as seconds, which JSON Schema passes over for a text.
func newDuration() *node {
	return &node{Type: "string", Mark: Span, MaxLength: 40, Minimum: "0"}
}

// seconds is a limit of a Duration as the schema holds it.
func seconds(text string) (json.Number, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return "", err
	}
	return json.Number(strconv.FormatFloat(d.Seconds(), 'f', -1, 64)), nil
}

// span checks a text that is a Duration.
func (c *checker) span(n *node, text string, path []string) {
	d, err := time.ParseDuration(text)
	if err != nil {
		c.add(tunnel.Malformed, path, "is not a span of time", "write it like 90s, 10m or 1h30m")
		return
	}
	is := new(big.Rat).SetFrac64(int64(d), int64(time.Second))
	if low, ok := rat(n.Minimum); ok && is.Cmp(low) < 0 {
		c.add(tunnel.OutOfRange, path, "is too short", "give at least "+spanText(low))
	}
	if high, ok := rat(n.Maximum); ok && is.Cmp(high) > 0 {
		c.add(tunnel.OutOfRange, path, "is too long", "give at most "+spanText(high))
	}
}

func rat(n json.Number) (*big.Rat, bool) {
	if !numberText(string(n)) {
		return nil, false
	}
	return new(big.Rat).SetString(string(n))
}

func spanText(seconds *big.Rat) string {
	s, _ := seconds.Float64()
	if d := time.Duration(s * float64(time.Second)); s < 1e9 {
		return Duration(d).String()
	}
	return fmt.Sprintf("%.0f s", s)
}
