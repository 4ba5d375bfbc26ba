package cli

import (
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"vitae/cmd/vitae/internal/client"
)

func (a *app) subscribeCmd() *cobra.Command {
	var from uint64
	var types, fields []string
	var values bool
	c := &cobra.Command{
		Use:   "subscribe",
		Short: "Follow what changes, one JSON object a line",
		Long: `Follow what changes: edits of profiles and resumes, and what becomes of deliveries. Each
line is {"seq":N,"event":{...}}, the event in CloudEvents' JSON format. A connection that is
lost is made again, and nothing is missed or doubled. Ctrl-C ends it.

Without --from it begins with the next event. --from 1 begins with the first one; where
that is not kept any more, an event of the type "reset" says so.`,
		Example: `  vitae subscribe
  vitae subscribe --from 1 --profile 01JCQ3DZZZ000000000000000P --field email
  vitae subscribe --type vitae.delivery.parked.v1 | jq -r .event.data.reason
  vitae subscribe --values --field jobTitle`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connectAbout()
			if err != nil {
				return err
			}
			q := url.Values{"type": types, "field": fields}
			if c.Flags().Changed("from") {
				q.Set("from", strconv.FormatUint(from, 10))
			}
			if cl.Profile() != "" {
				q.Set("profile", cl.Profile())
			}
			if values {
				q.Set("values", "true")
			}
			lost := func(err error) { a.say("the connection was lost, and is made again: %v", err) }
			return cl.Follow(c.Context(), client.Feed{Query: q, Lost: lost}, func(seq uint64, event []byte) error {
				line := append(strconv.AppendUint([]byte(`{"seq":`), seq, 10), `,"event":`...)
				_, err := a.Out.Write(append(append(line, event...), "}\n"...))
				return err
			})
		},
	}
	f := c.Flags()
	f.Uint64Var(&from, "from", 0, "begin with this event")
	f.StringArrayVar(&types, "type", nil, "only events of this type; may be given several times")
	f.StringArrayVar(&fields, "field", nil, "only events that name this field; may be given several times")
	f.BoolVar(&values, "values", false, "with the fields' values; the key needs the scope values:read")
	return a.about(c)
}
