package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vitae/ledger"
)

// leaf is one thing that can be written, with what each provider makes of it.
type leaf struct {
	Name      string   `json:"name"` // "firstName", "projects[].url", "postpress.location.id"
	View      string   `json:"view"` // "shared" or "resume"
	Kind      string   `json:"kind"`
	Required  bool     `json:"required"` // within its item or object
	Clearable bool     `json:"clearable"`
	Localized bool     `json:"localized"` // takes variants such as firstName@fr_FR
	Min       int      `json:"min,omitempty"`
	Max       int      `json:"max,omitempty"` // code points after NFC, or items
	Enum      []string `json:"enum,omitempty"`
	Homes     []home   `json:"homes"`
	About     string   `json:"about,omitempty"`
}

type home struct {
	Provider string   `json:"provider"`
	As       string   `json:"as,omitempty"` // the path in that provider's request
	How      string   `json:"how"`          // "sent", "lossy", "not carried"
	Clear    string   `json:"clear,omitempty"`
	Why      string   `json:"why,omitempty"`
	Max      int      `json:"max,omitempty"`
	Limit    string   `json:"limit,omitempty"`
	Enum     []string `json:"enum,omitempty"`
}

func (a *app) fieldsCmd() *cobra.Command {
	var hidden bool
	c := &cobra.Command{
		Use:   "fields [PREFIX]",
		Short: "List the catalogue: every field, its limits, and how each provider carries it",
		Long: `List every field and every member of an item or object. The table marks how a provider
carries it: its path there, "~" before a path that loses something, "-" where it is not
carried. -o json says why, and gives every limit.`,
		Example: `  vitae fields
  vitae fields projects
  vitae fields -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			prefix := ""
			if len(args) > 0 {
				prefix = args[0]
			}
			var items []json.RawMessage
			for _, f := range ledger.Catalogue() {
				if f.Hidden && !hidden {
					continue
				}
				for _, l := range fieldLeaves(f) {
					if !strings.HasPrefix(l.Name, prefix) {
						continue
					}
					raw, err := json.Marshal(l)
					if err != nil {
						return err
					}
					items = append(items, raw)
				}
			}
			if len(items) == 0 {
				return failWith(exitNotFound, "there is no field that begins with %q", prefix)
			}
			heading := row{"FIELD", "VIEW", "KIND", "LIMIT"}
			for _, p := range ledger.Providers() {
				heading = append(heading, strings.ToUpper(p))
			}
			return a.list(items, heading, leafRow)
		},
	}
	c.Flags().BoolVar(&hidden, "all", false, "also what is set by routes of its own or by a dialect only")
	return c
}

func fieldLeaves(f ledger.Field) []leaf {
	out := []leaf{{
		Name: f.Name, View: f.View, Kind: string(f.Kind), Clearable: f.Clearable, Localized: f.Localized,
		Min: f.Min, Max: f.Max, Enum: f.Enum, Homes: homes(f.Homes), About: f.About,
	}}
	return append(out, memberLeaves(f.Name, f.View, f.Kind, f.Item)...)
}

func memberLeaves(path, view string, kind ledger.Kind, ms []ledger.Member) []leaf {
	if kind == ledger.KindList || kind == ledger.KindObjects || kind == ledger.KindMap {
		path += "[]"
	}
	var out []leaf
	for _, m := range ms {
		name := path + "." + m.Name
		about := ""
		if m.With[0] != "" {
			about = fmt.Sprintf("only where %s is %s", m.With[0], m.With[1])
		}
		out = append(out, leaf{
			Name: name, View: view, Kind: string(m.Kind), Required: m.Required, Clearable: !m.Required, Localized: m.Localized,
			Min: m.Min, Max: m.Max, Enum: m.Enum, Homes: homes(m.Homes), About: about,
		})
		out = append(out, memberLeaves(name, view, m.Kind, m.Members)...)
	}
	return out
}

func homes(hs []ledger.Home) []home {
	out := make([]home, 0, len(hs))
	for _, h := range hs {
		out = append(out, home{h.Provider, h.As, string(h.How), string(h.Clear), h.Why, h.Max, h.Limit, h.Enum})
	}
	return out
}

func leafRow(raw json.RawMessage) (row, error) {
	var l leaf
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, err
	}
	limit := ""
	switch {
	case len(l.Enum) > 0:
		limit = strings.Join(l.Enum, "|")
	case l.Min > 0 && l.Max > 0:
		limit = fmt.Sprintf("%d-%d", l.Min, l.Max)
	case l.Max > 0:
		limit = strconv.Itoa(l.Max)
	}
	if r := []rune(limit); len(r) > 40 {
		limit = string(r[:39]) + "…"
	}
	r := row{l.Name, l.View, l.Kind, limit}
	for _, p := range ledger.Providers() {
		var ways []string
		for _, h := range l.Homes {
			switch {
			case h.Provider != p || h.How == string(ledger.NotCarried):
			case h.How == string(ledger.Lossy):
				ways = append(ways, "~"+h.As)
			default:
				ways = append(ways, h.As)
			}
		}
		if len(ways) == 0 {
			ways = []string{"-"}
		}
		r = append(r, strings.Join(ways, ", "))
	}
	return r, nil
}
