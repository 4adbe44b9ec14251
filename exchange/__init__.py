"""What does every party of the market share: money, time, people, the ledger and the law as data?"""
