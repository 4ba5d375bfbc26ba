package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

const defaultServer = "http://127.0.0.1:8080"

// clientFlags are those of every command that talks to a server.
type clientFlags struct {
	server  string
	keyFile string
	profile string
	context string
	dryRun  bool
	yes     bool
	// timeout bounds one attempt at a call; 0 is the client's own.
	timeout time.Duration
}

// getenv looks a variable up; a variable that is set but empty counts as not set.
func (a *app) getenv(name string) string {
	for _, kv := range a.Env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// remote gives a command the flags of a client.
func (a *app) remote(c *cobra.Command) *cobra.Command {
	f := c.Flags()
	f.StringVar(&a.client.server, "server", "", "the server's address (or VITAE_SERVER; default "+defaultServer+")")
	f.StringVar(&a.client.context, "context", "", "the context to work in (or VITAE_CONTEXT; default the one in use)")
	_ = c.RegisterFlagCompletionFunc("context", a.completeContext) // the flag is there
	f.StringVar(&a.client.keyFile, "key-file", "", `a file that holds the API key, "-" for stdin (or VITAE_KEY has the key)`)
	return c
}

// about adds --profile to a remote command.
func (a *app) about(c *cobra.Command) *cobra.Command {
	a.remote(c).Flags().StringVar(&a.client.profile, "profile", "", "the profile's id, where the key is for all profiles (or VITAE_PROFILE)")
	return c
}

// changes adds --dry-run to a command that changes something.
func (a *app) changes(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVarP(&a.client.dryRun, "dry-run", "n", false, "let the server decide and answer, and change nothing")
	return c
}

// asks adds --yes to a command that asks before it goes on.
func (a *app) asks(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVarP(&a.client.yes, "yes", "y", false, "do not ask")
	return c
}

// connectAbout makes the client of a command that has --profile.
func (a *app) connectAbout() (*client.Client, error) {
	if a.client.profile != "" {
		return a.connect(a.client.profile)
	}
	if id := a.getenv("VITAE_PROFILE"); id != "" {
		return a.connect(id)
	}
	in, err := a.place()
	if err != nil {
		return nil, err
	}
	return a.connect(in.Profile)
}

// connect makes the client that the flags and the environment describe.
func (a *app) connect(profile string) (*client.Client, error) {
	o := client.Options{Server: a.client.server, Profile: profile, Timeout: a.client.timeout}
	in, err := a.place()
	if err != nil {
		return nil, err
	}
	o.Server = cmp.Or(o.Server, a.getenv("VITAE_SERVER"), in.Server, defaultServer)
	if strings.ContainsFunc(o.Profile, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, usage("--profile must be a profile's id")
	}
	o.Key = a.getenv("VITAE_KEY")
	file, said := a.client.keyFile, "--key-file"
	if file == "" && o.Key == "" {
		file, said = in.KeyFile, "the context's key file"
	}
	if file != "" {
		b, err := a.readFile(file)
		if err != nil {
			return nil, usage("%s: %w", said, err)
		}
		o.Key = strings.TrimSpace(string(b))
	}
	if o.Key == "" {
		return nil, failWith(exitAuth, "there is no key: give --key-file FILE or set VITAE_KEY")
	}
	c, err := client.New(o)
	if err != nil {
		return nil, usage("%w", err)
	}
	return c, nil
}

// readFile reads a file that a flag or an argument names; "-" is stdin.
func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.In)
	}
	return os.ReadFile(name)
}

// call makes one call, with --dry-run where it was given.
func (a *app) call(ctx context.Context, c *client.Client, call client.Call, into any) (client.Reply, error) {
	call.DryRun = a.client.dryRun && call.Method != http.MethodGet
	r, err := c.Do(ctx, call, into)
	if err == nil && call.DryRun {
		a.say("dry run: nothing was changed")
	}
	var e *client.Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest && c.Profile() == "" && len(e.Fields) == 0 {
		err = fmt.Errorf("%w\n  a key for all profiles needs --profile ID", err)
	}
	return r, err
}

// data is the envelope of an answer: one object, or a page of a list.
type data struct {
	Data json.RawMessage `json:"data"`
	Next *string         `json:"next"`
}

// get reads one object, without its envelope.
func (a *app) get(ctx context.Context, c *client.Client, path string, query url.Values) (json.RawMessage, error) {
	var d data
	r, err := a.call(ctx, c, client.Call{Method: http.MethodGet, Path: path, Query: query}, &d)
	if err != nil {
		return nil, err
	}
	return unwrap(r, d), nil
}

// unwrap takes the object out of its envelope, if it has one.
func unwrap(r client.Reply, d data) json.RawMessage {
	if len(d.Data) > 0 {
		return d.Data
	}
	if len(r.Body) == 0 {
		return json.RawMessage(`{}`)
	}
	return r.Body
}

// pages reads a list page by page, until it ends or has given limit items (0: no limit),
// and hands each page to each.
func (a *app) pages(ctx context.Context, c *client.Client, path string, query url.Values, limit int, each func([]json.RawMessage) error) error {
	q := url.Values{}
	for k, v := range query {
		q[k] = v
	}
	for got := 0; ; {
		if limit > 0 {
			q.Set("limit", fmt.Sprint(limit-got))
		}
		var d data
		if _, err := a.call(ctx, c, client.Call{Method: http.MethodGet, Path: path, Query: q}, &d); err != nil {
			return err
		}
		var items []json.RawMessage
		if err := json.Unmarshal(d.Data, &items); err != nil {
			return fmt.Errorf("the server's answer to GET %s is not a list", path)
		}
		if limit > 0 && len(items) > limit-got {
			items = items[:limit-got]
		}
		if err := each(items); err != nil {
			return err
		}
		got += len(items)
		if d.Next == nil || *d.Next == "" || limit > 0 && got >= limit {
			return nil
		}
		if *d.Next == q.Get("after") {
			return fmt.Errorf("the server's list at %s does not go on", path)
		}
		q.Set("after", *d.Next)
	}
}

// all reads a whole list.
func (a *app) all(ctx context.Context, c *client.Client, path string, query url.Values) ([]json.RawMessage, error) {
	var out []json.RawMessage
	err := a.pages(ctx, c, path, query, 0, func(page []json.RawMessage) error {
		out = append(out, page...)
		return nil
	})
	return out, err
}

// profilePath is the path of the profile: by its id, or the key's own.
func profilePath(c *client.Client) string {
	if id := c.Profile(); id != "" {
		return "/v1/profiles/" + url.PathEscape(id)
	}
	return "/v1/profile"
}

// namedPath is the path of the profile by its id. For a key of one profile the server is
// asked which that is.
func (a *app) namedPath(ctx context.Context, c *client.Client) (string, error) {
	if c.Profile() != "" {
		return profilePath(c), nil
	}
	var own struct {
		ID string `json:"id"`
	}
	if _, err := a.call(ctx, c, client.Call{Method: http.MethodGet, Path: "/v1/profile"}, &own); err != nil {
		return "", err
	}
	if own.ID == "" {
		return "", usage("name the profile with --profile ID")
	}
	return "/v1/profiles/" + url.PathEscape(own.ID), nil
}
