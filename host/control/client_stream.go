package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
)

// maxEvent bounds one line of a stream: a tunnel with all its mappings is far below it.
const maxEvent = 4 << 20

// events yields what a stream sends, by name and data, until it ends. A stream does not end by itself: its end is an
// error, the context's own where that ended.
func (c *Client) events(ctx context.Context, method, path string, in any) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		resp, err := c.open(ctx, method, path, in)
		if err != nil {
			yield(message{}, err)
			return
		}
		defer resp.Body.Close()
		err = readEvents(resp.Body, func(m message) bool { return yield(m, nil) })
		if err != nil && !errors.Is(err, errStopped) {
			yield(message{}, c.broken(ctx, err))
		}
	}
}

// message is one server-sent event.
type message struct {
	name string
	data []byte
}

var errStopped = errors.New("the reader stopped")

// readEvents reads events of one data line each. Its error is errStopped when yield wanted no more.
func readEvents(r io.Reader, yield func(message) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	var m message
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "" && m.name != "":
			if !yield(m) {
				return errStopped
			}
			m = message{}
		case strings.HasPrefix(line, "event: "):
			m.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			m.data = []byte(line[len("data: "):])
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

// as reads the message into v, or returns the error the stream ended with.
func (m message) as(v any) error {
	if m.name == "error" {
		e := streamError{Error: &Error{}, Status: http.StatusInternalServerError}
		if err := json.Unmarshal(m.data, &e); err != nil {
			return err
		}
		e.Error.Status = e.Status
		return e.Error
	}
	return json.Unmarshal(m.data, v)
}

// follow yields the values of a stream of one type.
func follow[T any](ctx context.Context, c *Client, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for m, err := range c.events(ctx, http.MethodGet, path, nil) {
			var v T
			if err == nil {
				err = m.as(&v)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// lines yields the values of an answer of JSON lines.
func lines[T any](ctx context.Context, c *Client, path string) iter.Seq2[T, error] {
	return eachBy(ctx, c, path, values[T])
}

// values are those that d comes to until there are no more.
func values[T any](d *json.Decoder) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			var v T
			err := d.Decode(&v)
			if err == io.EOF || !yield(v, err) || err != nil {
				return
			}
		}
	}
}
