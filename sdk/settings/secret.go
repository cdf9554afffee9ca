package settings

import (
	"encoding/json"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Secrets are the paths of the secrets that the document sets, in order: the sites' passwords ("site.password"), those of
// their proxies ("site.via_password") and the module's own. An empty secret is none.
func Secrets(schema, doc json.RawMessage) []string {
	var paths []string
	root, d := both(schema, doc)
	root.secrets(d, func(path []string, _ any) { paths = append(paths, dotted(path)) })
	return paths
}

// IsSecret reports whether key is that of a secret, so that it is asked for without echo and never shown.
func IsSecret(schema json.RawMessage, key string) bool {
	root, err := parse(schema)
	if err != nil {
		return true
	}
	n := root.at(split(key))
	return n != nil && n.Mark == Secret
}

// Redact is the document with Hidden in place of every secret. A document that cannot be read is redacted wholly.
func Redact(schema, doc json.RawMessage) json.RawMessage {
	redacted, _ := Part(schema, doc)
	return redacted
}

// Part takes a document apart: what may be shown, Hidden standing for the secrets, and the secrets by path. A secret
// that is Hidden already is not among them: it is the one stored before. Join is the way back.
func Part(schema, doc json.RawMessage) (json.RawMessage, map[string]tunnel.Secret) {
	secrets := map[string]tunnel.Secret{}
	root, err := parse(schema)
	d, fs := read(doc)
	if err != nil || len(fs) > 0 {
		return json.RawMessage("{}"), secrets
	}
	root.secrets(d, func(path []string, v any) {
		if s, ok := v.(string); ok && s != Hidden {
			secrets[dotted(path)] = tunnel.Secret(s)
		}
		put(d, path, Hidden)
	})
	return encode(d), secrets
}

// Join puts secrets in their places in a document that Part gave. A place without a secret is emptied, so that Hidden
// never passes for a password, and one that the document does not have is left out.
func Join(schema, doc json.RawMessage, secrets map[string]tunnel.Secret) json.RawMessage {
	root, d := both(schema, doc)
	root.secrets(d, func(path []string, _ any) {
		if s, ok := secrets[dotted(path)]; ok {
			put(d, path, s.Reveal())
		} else {
			drop(d, path)
		}
	})
	return encode(d)
}

// secrets calls f for each secret set in d, which f may change there; one of a wrong type is one too.
func (n *node) secrets(d document, f func(path []string, v any)) {
	n.walk(d, nil, func(n *node, v any, path []string) {
		if n.Mark == Secret && v != nil && v != "" {
			f(path, v)
		}
	})
}
