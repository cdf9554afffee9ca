package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
)

// board is a module that serves a page to the site.
type board struct{}

type boardSettings struct {
	Site sdk.Site `json:"site" title:"Site" slots:"page"`
	Text string   `json:"text" title:"What the page says" default:"welcome"`
}

// page brings the site's connections to the module: no port on the PBX, and port 8080 of the SSH server at the site.
var page = sdk.Slot{Name: "page", Title: "Page", Kinds: []sdk.Kind{sdk.Expose}, Spec: ":8080", On: true}

func (board) Describe() sdk.Description {
	return sdk.Description{Name: "board", Version: "1.0.0", Slots: []sdk.Slot{page}}
}

func (board) Run(ctx context.Context, in *sdk.Instance[boardSettings]) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel(page)); err != nil {
		return err
	}
	if !in.Settings.Site.On(page) {
		return nil
	}
	l, err := in.Listen(in.Settings.Site.Mapping(page))
	if err != nil {
		return err
	}
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, in.Settings.Text)
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

// A module is reached from the site: an HTTP server over a private mapping.
func ExampleInstance_Listen() {
	w, end := run(board{}, `{"site":{"server":"pbx@site.example.org"},"text":"good morning"}`)
	defer end()
	c, err := w.Connect("site/page") // as a machine at the site does
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
	answer, _ := io.ReadAll(c)
	fmt.Printf("%s ... %s\n", answer[:15], answer[len(answer)-12:])
	// Output:
	// HTTP/1.0 200 OK ... good morning
}
