// Package settings is what a configuration's settings may be: it derives a JSON Schema from a module's settings struct,
// checks documents against it, finds the sites and the secrets in them, and edits them key by key.
//
// The SDK derives the schema in the module; the registry, the CLI's host side and the test world check and edit documents
// with it. A key is written with dots: "base", "site.slots.dc1.on", "sites.rome.server". Schemas and documents come from
// plugins and people, so both are bounded and only the keywords that Schema itself writes are understood.
//
// All functions are pure and safe for concurrent use. None of them repeats a secret in a finding.
package settings

import (
	"reflect"

	"github.com/culvert-pbx/culvert/sdk/schedule"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Limits of what is taken from outside.
const (
	MaxDocument = 256 << 10 // bytes of one configuration's settings
	MaxSchema   = 64 << 10  // bytes of a schema
	maxNesting  = 6         // of objects and lists in a schema
	maxDepth    = 16        // of objects and lists in a document
	maxKey      = 64        // bytes of one key
	maxFindings = 100       // about one document
	maxPattern  = 200       // bytes of a pattern
	maxProgram  = 250       // parts of a pattern, its repetitions written out
	maxText     = 16 << 10  // characters of a secret whose field does not say otherwise: it may be a key with its certificates
	maxItems    = 1000      // of a list whose field does not say otherwise
	maxString   = 4096      // characters of a string whose field does not say otherwise
)

// Hidden stands where a secret is set, on every way out; on the way in it means the secret that is stored already.
const Hidden = "***"

// Mark says that a part of the settings means more to the host than its JSON.
type Mark string

const (
	// Site is what one tunnel is made from (tunnel.Site, its password and its proxy's).
	Site Mark = "site"
	// Secret is text that goes in and never comes out.
	Secret Mark = "secret"
	// Span is a text that is a Duration; its minimum and maximum are seconds.
	Span Mark = "duration"
	// Schedule is a text that is a schedule.Schedule; its minimum is the seconds between two runs.
	Schedule Mark = "schedule"
)

// Marked is a type that carries a Mark: the SDK's own Site and Secret do.
type Marked interface{ SettingsMark() Mark }

var (
	markedType = reflect.TypeFor[Marked]()
	siteType   = reflect.TypeFor[tunnel.Site]()
	secretType = reflect.TypeFor[tunnel.Secret]()

	scheduleType = reflect.TypeFor[schedule.Schedule]()
)

// markOf is the mark of t, tunnel.Site, tunnel.Secret and schedule.Schedule having theirs without a method.
func markOf(t reflect.Type) Mark {
	switch {
	case t == siteType:
		return Site
	case t == secretType:
		return Secret
	case t == scheduleType:
		return Schedule
	case t.Implements(markedType) && t.Kind() != reflect.Interface:
		return reflect.New(t).Elem().Interface().(Marked).SettingsMark()
	}
	return ""
}

// finding makes one finding about value, which is cut and escaped here.
func finding(code tunnel.Code, field, value, message, wayOut string) tunnel.Finding {
	return tunnel.Finding{Code: code, Field: field, Value: tunnel.Clean(value, 80), Message: message, WayOut: wayOut}
}
