package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

// erasing are the flags of an erasure.
type erasing struct {
	reason  string
	clear   bool
	timeout time.Duration
}

func (a *app) profileEraseCmd() *cobra.Command {
	var e erasing
	c := &cobra.Command{
		Use:   "erase [ID]",
		Short: "Erase a profile for good, and print the signed receipt",
		Long: `Erase a profile: an erased event is appended, the profile's key is destroyed, and with it
everything that was sealed under it. That cannot be undone. The history stays provable,
without values. The receipt is printed; it can be had again with "profile receipt".

Providers are not told by an erasure: what they have, they keep. With --clear-providers the
profile is emptied before, by ordinary edits, and the erasure waits until the providers have
taken them, or until --timeout is over; the receipt says what each of them still holds. With
--dry-run it is said what would be cleared where, and what cannot be.`,
		Example: `  vitae profile erase 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --reason 'asked for by mail' --yes
  vitae profile erase 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --clear-providers --timeout 10m --dry-run`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				if a.client.profile != "" && a.client.profile != args[0] {
					return usage("the profile was named twice: %s and --profile %s", args[0], a.client.profile)
				}
				a.client.profile = args[0]
			}
			return a.erase(c.Context(), e)
		},
	}
	c.Flags().StringVar(&e.reason, "reason", "", "why, sealed with the erased event; nobody can read it afterwards")
	c.Flags().BoolVar(&e.clear, "clear-providers", false, "empty the profile at the providers first")
	c.Flags().DurationVar(&e.timeout, "timeout", 5*time.Minute, "with --clear-providers: how long to wait for the providers before erasing all the same")
	return a.asks(a.changes(a.about(c)))
}

func (a *app) erase(ctx context.Context, e erasing) error {
	cl, err := a.connectAbout()
	if err != nil {
		return err
	}
	path := profilePath(cl)
	if cl.Profile() == "" {
		return usage("name the profile: vitae profile erase ID")
	}
	header, err := reasonHeader(e.reason)
	if err != nil {
		return err
	}
	if err := a.confirm("Erase profile " + cl.Profile() + " for good?"); err != nil {
		return err
	}
	if e.clear {
		if err := a.clearProviders(ctx, cl, path, header, e.timeout); err != nil {
			return err
		}
		if a.client.dryRun {
			return nil
		}
	}
	r, err := a.call(ctx, cl, client.Call{Method: http.MethodDelete, Path: path, Header: header}, nil)
	if err != nil {
		return err
	}
	if a.client.dryRun {
		return a.printLeaves(r.Body, row{"MEMBER", "VALUE"})
	}
	return a.printReceipt(r.Body)
}

// clearing is the answer to an emptying.
type clearing struct {
	Seq       uint64
	Providers []struct {
		Provider, Waits string
		Clears, Stays   []held
		Why             map[string]string
	}
}

type held struct {
	Entity string
	Fields []string
	Items  int
}

func (h held) String() string {
	if h.Items > 0 {
		return h.Entity + " (" + strconv.Itoa(h.Items) + ")"
	}
	return h.Entity + ": " + strings.Join(h.Fields, ", ")
}

func allHeld(list []held) string {
	out := make([]string, len(list))
	for i, h := range list {
		out[i] = h.String()
	}
	return strings.Join(out, "; ")
}

// clearProviders empties the profile and waits until the providers are done with it, or
// the time is over. What is not done then is in the receipt.
func (a *app) clearProviders(ctx context.Context, cl *client.Client, path string, header http.Header, timeout time.Duration) error {
	var told clearing
	r, err := a.call(ctx, cl, client.Call{Method: http.MethodPost, Path: path + "/clear", Header: header}, &told)
	if err != nil {
		return err
	}
	table := func(w io.Writer) error {
		rows := []row{}
		for _, p := range told.Providers {
			why := []string{}
			for entity, reason := range p.Why {
				why = append(why, entity+": "+reason)
			}
			if p.Waits != "" {
				why = append(why, p.Waits)
			}
			rows = append(rows, row{p.Provider, allHeld(p.Clears), allHeld(p.Stays), strings.Join(why, "; ")})
		}
		return writeTable(w, row{"PROVIDER", "CLEARS", "STAYS", "WHY"}, rows)
	}
	if a.client.dryRun {
		return a.print(r.Body, table)
	}
	a.say("the profile is emptied; waiting for %d providers, %s at most", len(told.Providers), timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		waiting, err := a.unsettled(ctx, cl, path, told.Seq)
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			a.say("the time is over: erasing all the same; the receipt says what is left")
			return nil
		case err != nil:
			return err
		case len(waiting) == 0:
			return nil
		}
		select {
		case <-time.After(500 * time.Millisecond): // another process: there is nothing else to wait for
		case <-ctx.Done():
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
	}
}

// unsettled names the providers that have not come to rest with everything up to seq.
func (a *app) unsettled(ctx context.Context, cl *client.Client, path string, seq uint64) ([]string, error) {
	var d struct {
		Data []struct {
			Provider, State string
			HeadSeq         uint64
		}
	}
	if _, err := a.call(ctx, cl, client.Call{Method: http.MethodGet, Path: path + "/connections"}, &d); err != nil {
		return nil, err
	}
	var out []string
	for _, c := range d.Data {
		if c.HeadSeq < seq || c.State == "pending" || c.State == "uncertain" {
			out = append(out, c.Provider)
		}
	}
	return out, nil
}

func (a *app) profileReceiptCmd() *cobra.Command {
	var note bool
	c := &cobra.Command{
		Use:   "receipt [ID]",
		Short: "Show the signed receipt of a profile's erasure",
		Example: `  vitae profile receipt 01J8Z3K5V6Q7R8S9T0V1W2X3Y4
  vitae profile receipt 01J8Z3K5V6Q7R8S9T0V1W2X3Y4 --note > receipt.note`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.client.profile = args[0]
			}
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			if cl.Profile() == "" {
				return usage("name the profile: vitae profile receipt ID")
			}
			r, err := a.call(c.Context(), cl, client.Call{Method: http.MethodGet, Path: profilePath(cl) + "/receipt"}, nil)
			if err != nil {
				return err
			}
			if note {
				return a.printNote(r.Body)
			}
			return a.printReceipt(r.Body)
		},
	}
	c.Flags().BoolVar(&note, "note", false, "print the signed note alone, as it is verified")
	return a.about(c)
}

// receipt is the answer of an erasure.
type receipt struct {
	Receipt *json.RawMessage
	Note    *string
	Done    []string
}

func (a *app) printReceipt(raw json.RawMessage) error {
	var r receipt
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	if r.Receipt == nil {
		a.say("the profile is erased; its erasure is being carried out (done: %s). Ask for the receipt later: vitae profile receipt", strings.Join(r.Done, ", "))
		return a.print(raw, func(io.Writer) error { return nil })
	}
	if a.output != "json" && a.output != "jsonl" {
		return a.printLeaves(*r.Receipt, row{"MEMBER", "VALUE"})
	}
	return a.print(raw, nil)
}

func (a *app) printNote(raw json.RawMessage) error {
	var r receipt
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	if r.Note == nil {
		return errors.New("the receipt is not signed yet: ask again")
	}
	_, err := io.WriteString(a.Out, *r.Note)
	return err
}
