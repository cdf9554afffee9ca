package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// decode reads the request's body into v: one JSON object of at most 1 MiB in UTF-8, every field known, given once and
// of its type. The error names the field.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return bodyError(err)
	}
	if err := checkText(body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return bodyError(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return badBody("body", "", "something follows the JSON document", "send one document alone")
	}
	return checkFields(body).Err()
}

// bodyError says which field of a body is wrong, and how.
func bodyError(err error) error {
	var typ *json.UnmarshalTypeError
	var syn *json.SyntaxError
	switch {
	case tooBig(err):
		return tunnel.Findings{{Code: tunnel.TooLong, Field: "body", Message: "the request is larger than 1 MiB", WayOut: "send less"}}
	case errors.As(err, &typ):
		field := jsonName(typ.Field)
		return badBody(field, typ.Value, fmt.Sprintf("%s cannot be a JSON %s", field, tunnel.Clean(typ.Value, 80)), "give "+expected(typ.Type.Kind().String()))
	case errors.As(err, &syn):
		return badBody("body", "", fmt.Sprintf("no JSON at byte %d: %s", syn.Offset, text(syn)), "send one JSON object")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badBody("body", "", "the JSON document is missing or ends too early", "send one JSON object")
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = tunnel.Clean(strings.Trim(name, `"`), 80)
		return tunnel.Findings{{Code: tunnel.UnknownKey, Field: name, Value: name, Message: fmt.Sprintf("there is no field %q here", name), WayOut: "leave it out, or look for a misspelling"}}
	}
	return badBody("body", "", text(err), "send one JSON object")
}

// jsonName is a field as JSON has it: on its way the decoder also names the Go types that are embedded.
func jsonName(field string) string {
	parts := slices.DeleteFunc(strings.Split(field, "."), func(part string) bool {
		return part == "" || unicode.IsUpper(rune(part[0]))
	})
	if len(parts) == 0 {
		return "body"
	}
	return strings.Join(parts, ".")
}

func badBody(field, value, message, wayOut string) error {
	return tunnel.Findings{{Code: tunnel.Malformed, Field: field, Value: tunnel.Clean(value, 80), Message: message, WayOut: wayOut}}
}

func tooBig(err error) bool {
	var tooBig *http.MaxBytesError
	return errors.As(err, &tooBig)
}

// expected names a Go kind in the words of JSON.
func expected(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "a whole number in range"
	case kind == "slice":
		return "an array"
	case kind == "struct", kind == "map":
		return "an object"
	case kind == "bool":
		return "true or false"
	default:
		return "a " + kind
	}
}
