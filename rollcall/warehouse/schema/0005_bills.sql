-- What the seats of a day cost, beside their counts: dashboards know no settings, and a price that changes later leaves
-- the bills of before alone. rollcall/bill.py computes them.

ALTER TABLE seat_day_counts {on_cluster} ADD COLUMN IF NOT EXISTS currency Nullable(String);
ALTER TABLE seat_day_counts {on_cluster} ADD COLUMN IF NOT EXISTS period Nullable(String);
ALTER TABLE seat_day_counts {on_cluster} ADD COLUMN IF NOT EXISTS bill Nullable(Decimal(38, 2));
ALTER TABLE seat_day_counts {on_cluster} ADD COLUMN IF NOT EXISTS bill_after Nullable(Decimal(38, 2));
ALTER TABLE seat_day_counts {on_cluster} ADD COLUMN IF NOT EXISTS saving Nullable(Decimal(38, 2));
ALTER TABLE seat_day_counts {on_cluster} ADD COLUMN IF NOT EXISTS saving_from Nullable(Date);

CREATE OR REPLACE VIEW seat_days {on_cluster} AS
SELECT
    site, day, product, seats, held, active, reader, exempt, new, unseen, never, idle,
    currency, period, bill, bill_after, saving, saving_from
FROM seat_day_counts FINAL;
