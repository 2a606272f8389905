// Command demo fills a standalone with documents, and asks both sides the same questions.
//
//	demo seed   --address HOST:PORT [--rows N]      makes rag_documents anew
//	demo clear  --address HOST:PORT                 drops it
//	demo search --left HOST:PORT --right HOST:PORT  searches both, and compares the ten nearest
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
)

// collection is what the demo moves.
const collection = "rag_documents"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root := &cobra.Command{Use: "demo", Short: "Fill a standalone, and compare searches", SilenceUsage: true}
	root.AddCommand(newSeed(), newClear(), newSearch())
	if err := root.ExecuteContext(ctx); err != nil {
		os.Exit(1)
	}
}

func newSeed() *cobra.Command {
	var address string
	var rows int
	cmd := &cobra.Command{Use: "seed", Short: "Make " + collection + " anew", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return seed(cmd.Context(), address, rows) }}
	cmd.Flags().StringVar(&address, "address", "127.0.0.1:19531", "Milvus server")
	cmd.Flags().IntVar(&rows, "rows", 100_000, "documents")
	return cmd
}

func newClear() *cobra.Command {
	var address string
	cmd := &cobra.Command{Use: "clear", Short: "Drop " + collection, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return clear(cmd.Context(), address) }}
	cmd.Flags().StringVar(&address, "address", "127.0.0.1:19530", "Milvus server")
	return cmd
}

func newSearch() *cobra.Command {
	var left, right string
	cmd := &cobra.Command{Use: "search", Short: "Search both sides, and compare", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			same, err := compareSearches(cmd.Context(), left, right)
			if err == nil && !same {
				err = fmt.Errorf("the two sides answer differently")
			}
			return err
		}}
	cmd.Flags().StringVar(&left, "left", "127.0.0.1:19531", "Milvus server")
	cmd.Flags().StringVar(&right, "right", "127.0.0.1:19530", "Milvus server")
	return cmd
}
